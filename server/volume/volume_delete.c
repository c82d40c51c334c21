#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <varve/error.h>

#include "volume/guard.h"
#include "volume/image_label.h"
#include "volume/served_store.h"
#include "volume/volume_name.h"

/* The label says "deleted" first, and durably so: from then on a crash can only lead to the volume
 * being whole or gone. Then the name goes, then the image. */
static int delete_image_locked(struct varve *varve, struct catalog *catalog,
                               const struct catalog_volume *row,
                               const struct catalog_change *change)
{
    const struct image_label words = label_of_volume(row->name, row->shared);
    char label[IMAGE_LABEL_SIZE];
    int r;

    image_label_format(LABEL_DELETED, &words, label);
    r = store_image_set_label(varve->store, row->image, label);
    if (r == 0)
        r = store_flush(varve->store);
    if (r == 0)
        r = catalog_volume_delete(catalog, row->name, change);
    if (r != 0) {
        char line[512];

        snprintf(line, sizeof line, "%s", varve_error());
        image_label_format(LABEL_LIVE, &words, label);
        (void)store_image_set_label(varve->store, row->image, label);
        return varve_fail(-r, "%s", line);
    }
    r = store_image_delete(varve->store, row->image);
    if (r == 0)
        r = store_flush(varve->store);
    if (r != 0)
        note(varve,
             "the space of the deleted volume '%s' comes back when the store is opened again: %s",
             row->name, varve_error());
    return 0;
}

static int delete_locked(struct varve *varve, struct catalog *catalog, const char *name)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog_volume row = {.image = 0};
    struct varve_volume volume;
    struct guarded guarded = {.kind = NAMED_VOLUME, .ref = name, .then = "delete it"};
    int r = catalog_volume_find(catalog, name, &row);

    guarded.image = row.image;
    if (r == 0)
        r = volume_stat_locked(varve, &row, &volume);
    if (r != 0)
        return r;
    r = guard_locked(varve, catalog, &guarded);
    if (r != 0)
        return r;
    if (volume.damaged) {
        snprintf(what, sizeof what, "deleted; its image %" PRIu64 " was missing", row.image);
        return catalog_volume_delete(catalog, name, &change);
    }
    snprintf(what, sizeof what, "deleted, with %" PRIu64 " bytes", volume.size);
    return delete_image_locked(varve, catalog, &row, &change);
}

int varve_volume_delete(struct varve *varve, const char *name)
{
    struct catalog *catalog;
    int r = name_check(name);

    if (r == 0)
        r = changes_are_allowed(varve);
    if (r == 0)
        r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = delete_locked(varve, catalog, name);
    names_leave(varve);
    return r;
}
