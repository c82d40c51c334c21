#include "volume/image_delete.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <varve/error.h>

static int set_label(struct varve *varve, const struct doomed_image *doomed, enum label_state state)
{
    char label[IMAGE_LABEL_SIZE];
    int r;

    image_label_format(state, &doomed->label, label);
    r = store_image_set_label(varve->store, doomed->image, label);
    return r == -ENOENT ? 0 : r;
}

/* When the names may be gone all the same, the labels go on to say "deleted": the next opening sees
 * who is right, and an image that is named nowhere and does not say so would be taken for a find.
 * Where this fails too, the labels say "deleted" of images that the catalog names: it is right, and
 * the next opening sets them again. */
static void take_back(struct varve *varve, const struct doomed_image *images, size_t count)
{
    for (size_t i = 0; i < count && !catalog_is_in_doubt(varve->catalog); i++)
        (void)set_label(varve, &images[i], LABEL_LIVE);
}

/* No flush of its own: what a cut brings back is labelled as deleted, and goes at the next opening.
 */
static void delete_unnamed(struct varve *varve, const struct doomed_image *images, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int r = store_image_delete(varve->store, images[i].image);

        /* Who left in between has closed it. */
        if (r == -EBUSY)
            r = attachment_doom(varve->attachments, images[i].image)
                    ? 0
                    : store_image_delete(varve->store, images[i].image);
        if (r != 0 && r != -ENOENT)
            note(varve,
                 "the space of the deleted image %" PRIu64
                 " comes back when the store is opened again: %s",
                 images[i].image, varve_error());
    }
}

int images_delete_locked(struct varve *varve, const struct doomed_image *images, size_t count,
                         int (*forget)(void *opaque), void *opaque)
{
    char line[512];
    size_t marked = 0;
    int r = 0;

    while (r == 0 && marked < count)
        r = set_label(varve, &images[marked++], LABEL_DELETED);
    if (r == 0)
        r = store_flush(varve->store);
    if (r == 0)
        r = forget(opaque);
    if (r != 0) {
        snprintf(line, sizeof line, "%s", varve_error());
        take_back(varve, images, marked);
        return varve_fail(-r, "%s", line);
    }
    delete_unnamed(varve, images, count);
    return 0;
}
