#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <varve/error.h>

#include "volume/image_label.h"
#include "volume/name_taken.h"
#include "volume/served_store.h"
#include "volume/volume_name.h"

/* The image first, durable and labelled "new"; then its name; then the final label. A crash in
 * between leaves what reconcile.c undoes or finishes. */
static int create_locked(struct varve *varve, struct catalog *catalog, const char *name,
                         const struct varve_volume_options *options)
{
    struct catalog_volume row = {
        .created = (int64_t)time(NULL), .shared = options->shared, .reserved = options->reserved};
    const struct image_label words = label_of_volume(name, options->shared);
    char label[IMAGE_LABEL_SIZE], what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    int r;

    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(what, sizeof what, "created with %" PRIu64 " bytes%s%s", options->size,
             options->shared ? ", shared" : "", options->reserved ? ", reserved" : "");
    image_label_format(LABEL_NEW, &words, label);
    r = store_image_create(varve->store, options->size,
                           options->reserved ? STORE_IMAGE_RESERVED : 0, label, &row.image);
    if (r != 0)
        return r;
    r = store_flush(varve->store);
    if (r == 0)
        r = catalog_volume_insert(catalog, &row, &change);
    if (r != 0) {
        /* Where this fails too, the next opening does it. The line says what came first. */
        char line[512];

        snprintf(line, sizeof line, "%s", varve_error());
        (void)store_image_delete(varve->store, row.image);
        return varve_fail(-r, "%s", line);
    }
    image_label_format(LABEL_LIVE, &words, label);
    if (store_image_set_label(varve->store, row.image, label) != 0)
        note(varve, "the new volume '%s' could not be labelled in the store: %s", name,
             varve_error());
    return 0;
}

int varve_volume_create(struct varve *varve, const char *name,
                        const struct varve_volume_options *options)
{
    struct catalog *catalog;
    int r = name_check(name);

    if (r == 0)
        r = size_check(options->size);
    if (r == 0)
        r = changes_are_allowed(varve);
    if (r == 0)
        r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = name_is_free_locked(catalog, name);
    if (r == 0)
        r = create_locked(varve, catalog, name, options);
    names_leave(varve);
    return r;
}
