#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "catalog/catalog_leases.h"
#include "volume/announce.h"
#include "volume/guard.h"
#include "volume/snapshot.h"
#include "volume/volume_name.h"

struct rollback {
    struct varve *varve;
    struct catalog *catalog;
    struct catalog_volume volume;
    struct catalog_snapshot to;
    bool save;
    uint64_t freed; /* bytes that come back because nothing is saved: looked up where they count */
    struct varve_snapshot saved; /* .ref is "" until it is taken */
};

/* Of a reserved volume, whose size may grow: before a snapshot is taken for nothing. Nobody has it
 * open and nobody clones it meanwhile, so that what comes back stays what it is. */
static int check_space(struct rollback *rollback)
{
    struct store *store = rollback->varve->store;
    uint64_t image = rollback->volume.image;
    struct store_usage usage;
    char line[256];
    int r = store_image_rollback_fits(store, image, rollback->to.image, 0);

    if (r == -ENOSPC && !rollback->save && store_images_usage(store, &image, 1, &usage) == 0) {
        rollback->freed = usage.data;
        r = store_image_rollback_fits(store, image, rollback->to.image, rollback->freed);
    }
    if (r != -ENOSPC)
        return r;
    snprintf(line, sizeof line, "%s", varve_error());
    return varve_fail(ENOSPC, "volume '%s' is reserved, and what snapshot '%s@%s' needs %s",
                      rollback->volume.name, rollback->to.volume, rollback->to.name, line);
}

static int check(struct rollback *rollback, const char *name, const char *snapshot)
{
    struct guarded volume = {.kind = NAMED_VOLUME, .ref = name, .then = "roll it back"};
    struct store_image_info info;
    int r = catalog_volume_find(rollback->catalog, name, &rollback->volume);

    if (r == 0)
        r = snapshot_find_locked(rollback->catalog, snapshot, &rollback->to);
    if (r != 0)
        return r;
    if (strcmp(rollback->to.volume, name) != 0)
        return varve_fail(EINVAL,
                          "'%s' is no snapshot of volume '%s'; what another volume held can be "
                          "cloned ('varve volumes create --from')",
                          snapshot, name);
    volume.image = rollback->volume.image;
    r = guard_locked(rollback->varve, rollback->catalog, &volume);
    if (r == 0)
        r = store_image_stat(rollback->varve->store, rollback->to.image, &info);
    if (r == -ENOENT)
        return varve_fail(EIO,
                          "snapshot '%s' is damaged: the store does not have its image %" PRIu64,
                          snapshot, rollback->to.image);
    return r == 0 ? check_space(rollback) : r;
}

static int save_present(struct rollback *rollback, const char *snapshot)
{
    char message[VARVE_MESSAGE_MAX + 1];
    const char *const volumes[] = {rollback->volume.name};
    const struct varve_snapshot_options options = {.message = message};
    const struct snapshot_occasion occasion = {.now = (int64_t)time(NULL)};

    snprintf(message, sizeof message, "before the rollback to %s", snapshot);
    return snapshots_take_locked(rollback->varve, rollback->catalog, volumes, 1, &options,
                                 &occasion, &rollback->saved);
}

/* Takes back what was saved for nothing; what cannot be taken back is one snapshot too many. */
static int undo(struct rollback *rollback, int r)
{
    struct catalog_snapshot row;
    char line[512];

    snprintf(line, sizeof line, "%s", varve_error());
    if (rollback->saved.ref[0] != '\0' &&
        snapshot_find_locked(rollback->catalog, rollback->saved.ref, &row) == 0)
        (void)snapshot_delete_locked(rollback->varve, rollback->catalog, &row,
                                     "deleted: the rollback failed");
    return varve_fail(-r, "%s", line);
}

/* The line goes first, because it can be taken back; what the volume held cannot. */
static int roll_back(struct rollback *rollback, const char *snapshot)
{
    char what[CATALOG_WHAT_MAX + 1];
    struct catalog_announcement announcement = {.image = rollback->volume.image,
                                                .like = rollback->to.image};
    bool known = true;
    int r = rollback->save ? save_present(rollback, snapshot) : 0;

    if (r != 0)
        return r;
    snprintf(what, sizeof what, "rolled back to %s%s%s", snapshot,
             rollback->save ? "; what it held is " : "", rollback->saved.ref);
    r = change_announce_locked(rollback->varve, rollback->catalog, "volume", rollback->volume.name,
                               what, &announcement);
    if (r != 0)
        return undo(rollback, r);
    /* a client that lost its connection must not find its image and believe it unchanged */
    r = catalog_lease_grant(rollback->catalog, rollback->volume.image, "");
    if (r == 0)
        r = store_image_rollback(rollback->varve->store, rollback->volume.image, rollback->to.image,
                                 rollback->freed);
    r = change_end_locked(rollback->varve, rollback->catalog, r, &known);
    return r != 0 && known ? undo(rollback, r) : r;
}

int varve_volume_rollback(struct varve *varve, const char *name, const char *snapshot, bool save,
                          struct varve_snapshot *ret_saved)
{
    struct rollback rollback = {.varve = varve, .save = save};
    int r = name_check(name);

    if (r == 0)
        r = names_enter_to_change(varve, &rollback.catalog);
    if (r != 0)
        return r;
    r = check(&rollback, name, snapshot);
    if (r == 0)
        r = roll_back(&rollback, snapshot);
    if (r == 0 && save && ret_saved != NULL)
        *ret_saved = rollback.saved;
    names_leave(varve);
    return r;
}
