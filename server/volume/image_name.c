#include "volume/image_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <varve/error.h>

int images_name_locked(struct varve *varve, const struct born_image *images, size_t count,
                       int (*name)(void *opaque), void *opaque)
{
    char label[IMAGE_LABEL_SIZE], line[512];
    int r = store_flush(varve->store);

    if (r == 0)
        r = name(opaque);
    if (r != 0) {
        /* Where this fails too, or the names may be there all the same, the next opening does it.
         * The line says what came first. */
        snprintf(line, sizeof line, "%s", varve_error());
        for (size_t i = 0; i < count && !catalog_is_in_doubt(varve->catalog); i++)
            (void)store_image_delete(varve->store, images[i].image);
        return varve_fail(-r, "%s", line);
    }
    for (size_t i = 0; i < count; i++) {
        image_label_format(LABEL_LIVE, &images[i].label, label);
        if (store_image_set_label(varve->store, images[i].image, label) != 0)
            note(varve, "the new image %" PRIu64 " could not be labelled in the store: %s",
                 images[i].image, varve_error());
    }
    return 0;
}

int image_clone_sized(struct store *store, struct store_clone *clone, uint64_t size)
{
    char line[512];
    int r = store_image_clone(store, clone, 1);

    if (r != 0 || size == 0)
        return r;
    r = store_image_resize(store, clone->image, size);
    if (r == 0)
        return 0;
    snprintf(line, sizeof line, "%s", varve_error());
    (void)store_image_delete(store, clone->image);
    return varve_fail(-r, "%s", line);
}
