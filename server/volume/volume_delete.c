#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <varve/error.h>

#include "volume/guard.h"
#include "volume/image_delete.h"
#include "volume/volume_name.h"

struct death {
    struct catalog *catalog;
    struct catalog_volume row;
    char what[CATALOG_WHAT_MAX + 1];
};

static int forget(void *opaque)
{
    struct death *death = opaque;
    const struct catalog_change change = {varve_actor(), death->what};

    return catalog_volume_delete(death->catalog, death->row.name, &change);
}

static int delete_locked(struct varve *varve, struct catalog *catalog, const char *name)
{
    struct death death = {.catalog = catalog};
    struct guarded guarded = {.kind = NAMED_VOLUME, .ref = name, .then = "delete it"};
    struct doomed_image doomed;
    struct varve_volume volume;
    int r = catalog_volume_find(catalog, name, &death.row);

    if (r == 0)
        r = volume_stat_locked(varve, &death.row, &volume);
    if (r != 0)
        return r;
    guarded.image = death.row.image;
    r = guard_locked(varve, catalog, &guarded);
    if (r != 0)
        return r;
    if (volume.damaged)
        snprintf(death.what, sizeof death.what, "deleted; its image %" PRIu64 " was missing",
                 death.row.image);
    else
        snprintf(death.what, sizeof death.what, "deleted, with %" PRIu64 " bytes", volume.size);
    doomed =
        (struct doomed_image){death.row.image, label_of_volume(death.row.name, death.row.shared)};
    return images_delete_locked(varve, &doomed, 1, forget, &death);
}

int varve_volume_delete(struct varve *varve, const char *name)
{
    struct catalog *catalog;
    int r = name_check(name);

    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    r = delete_locked(varve, catalog, name);
    names_leave(varve);
    return r;
}
