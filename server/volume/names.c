#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "volume/announce.h"
#include "volume/catalog_copy.h"
#include "volume/served_store.h"

static void lock_names(struct varve *varve)
{
    int r = pthread_mutex_lock(&varve->names);

    assert(r == 0);
}

int names_enter(struct varve *varve, struct catalog **ret_catalog)
{
    int r = 0;

    lock_names(varve);
    if (varve->catalog == NULL)
        r = catalog_open(varve->catalog_path, 0, &varve->catalog);
    if (r != 0) {
        names_leave(varve);
        return r == -ENOENT ? varve_fail(EIO,
                                         "catalog '%s' has vanished; stop and start the server, "
                                         "which rebuilds it from the store",
                                         varve->catalog_path)
                            : r;
    }
    *ret_catalog = varve->catalog;
    return 0;
}

void names_leave(struct varve *varve)
{
    int r;

    if (varve->catalog != NULL && !varve->read_only) {
        announcement_settle_again_locked(varve);
        catalog_copy_follow(varve, varve->catalog);
    }
    r = pthread_mutex_unlock(&varve->names);
    assert(r == 0);
}

int changes_are_allowed(const struct varve *varve)
{
    if (!varve->read_only)
        return 0;
    return varve_fail(EROFS, "store '%s' was opened only to read", varve->directory);
}

int names_enter_to_change(struct varve *varve, struct catalog **ret_catalog)
{
    int r = changes_are_allowed(varve);

    return r == 0 ? names_enter(varve, ret_catalog) : r;
}

int volume_stat_locked(struct varve *varve, const struct catalog_volume *row,
                       struct varve_volume *ret_volume)
{
    struct varve_volume volume = {.image = row->image,
                                  .created = row->created,
                                  .shared = row->shared,
                                  .reserved = row->reserved};
    struct store_image_info info;
    struct attendance attendance;
    int r = store_image_stat(varve->store, row->image, &info);

    if (r != 0 && r != -ENOENT)
        return r;
    memcpy(volume.name, row->name, sizeof volume.name);
    volume.damaged = r == -ENOENT;
    if (!volume.damaged) {
        volume.size = info.size;
        volume.mapped_bytes = info.mapped;
        volume.set_aside_bytes = info.set_aside;
    }
    attendance_of(varve->attachments, row->image, &attendance);
    volume.connections = attendance.seats;
    snprintf(volume.writer, sizeof volume.writer, "%s", attendance.writer);
    *ret_volume = volume;
    return 0;
}
