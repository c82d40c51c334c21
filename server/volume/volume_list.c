#include <errno.h>
#include <stdlib.h>
#include <varve/error.h>

#include "volume/served_store.h"
#include "volume/volume_name.h"

int varve_volume_show(struct varve *varve, const char *name, struct varve_volume *ret_volume)
{
    struct catalog_volume row;
    struct catalog *catalog;
    int r = name_check(name);

    if (r == 0)
        r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = catalog_volume_find(catalog, name, &row);
    if (r == 0)
        r = volume_stat_locked(varve, &row, ret_volume);
    names_leave(varve);
    return r;
}

struct listing {
    struct varve_volume *volumes;
    size_t count, room;
};

static int make_room(struct listing *listing)
{
    size_t room = listing->room == 0 ? 64 : listing->room * 2;
    struct varve_volume *volumes;

    if (listing->count < listing->room)
        return 0;
    volumes = reallocarray(listing->volumes, room, sizeof *volumes);
    if (volumes == NULL)
        return varve_fail(ENOMEM, "no memory to list %zu volumes", room);
    listing->volumes = volumes;
    listing->room = room;
    return 0;
}

static int collect(struct varve *varve, struct listing *listing)
{
    struct catalog_volume row = {.name = ""};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    while ((r = catalog_volume_next(catalog, row.name, &row)) == 0) {
        r = make_room(listing);
        if (r == 0)
            r = volume_stat_locked(varve, &row, &listing->volumes[listing->count]);
        if (r != 0)
            break;
        listing->count++;
    }
    names_leave(varve);
    return r == -ENOENT ? 0 : r;
}

/* Visited after the lock is dropped: the visitor may call anything. */
int varve_volume_list(struct varve *varve, varve_volume_visit visit, void *opaque)
{
    struct listing listing = {.count = 0};
    int r = collect(varve, &listing);

    for (size_t i = 0; r == 0 && i < listing.count; i++)
        r = visit(opaque, &listing.volumes[i]);
    free(listing.volumes);
    return r;
}
