/*
 * Snapshots in the catalog: frozen images with a name that belongs to a volume. A snapshot outlives
 * its volume; it keeps the volume's name, and with it the ref VOLUME@NAME.
 *
 * Errors, threads and durability as in catalog.h.
 */
#ifndef CATALOG_CATALOG_SNAPSHOTS_H
#define CATALOG_CATALOG_SNAPSHOTS_H

#include <stddef.h>

#include "catalog/catalog.h"

struct catalog_snapshot {
    int64_t id; /* order in which snapshots were taken; never used again */
    char volume[CATALOG_NAME_MAX + 1];
    char name[CATALOG_NAME_MAX + 1];
    uint64_t head; /* number of the image that it was taken of, which may be gone */
    uint64_t image;
    int64_t created; /* seconds since 1970 */
    char who[CATALOG_WHO_MAX + 1];
    char message[CATALOG_MESSAGE_MAX + 1];
    int64_t schedule; /* seconds of the schedule that took it, which then ran at `created`; 0: a
                         person did */
    unsigned holds;   /* how many hold its image; only read */
};

/* All of them or none, ids are the catalog's; each is held for `hold` if that is not NULL. -EEXIST
 * when a volume has a snapshot of that name. */
int catalog_snapshots_insert(struct catalog *catalog, const struct catalog_snapshot *snapshots,
                             size_t count, const char *hold, const struct catalog_change *change);
int catalog_snapshot_find(struct catalog *catalog, const char *volume, const char *name,
                          struct catalog_snapshot *ret_snapshot);
/* The snapshot after (`volume`, `id`) in the order of volumes, and of age within one; ("", 0) to
 * begin. -ENOENT, with no line, after the last. */
int catalog_snapshot_next(struct catalog *catalog, const char *volume, int64_t id,
                          struct catalog_snapshot *ret_snapshot);
/* *ret_has: some snapshot belongs to a volume of that name, whether there is one or not. */
int catalog_volume_has_snapshots(struct catalog *catalog, const char *volume, bool *ret_has);
int catalog_snapshot_set_message(struct catalog *catalog, const struct catalog_snapshot *snapshot,
                                 const char *message, const struct catalog_change *change);

/* Forgets snapshots, and with `volume` not NULL that volume and its schedules too: all or none. */
int catalog_snapshots_delete(struct catalog *catalog, const struct catalog_snapshot *snapshots,
                             size_t count, const char *volume, const struct catalog_change *change);

/* The text that names a snapshot everywhere: VOLUME@NAME. */
enum { CATALOG_SNAPSHOT_REF_MAX = 2 * CATALOG_NAME_MAX + 1 };
void catalog_snapshot_ref(const struct catalog_snapshot *snapshot,
                          char text[CATALOG_SNAPSHOT_REF_MAX + 1]);

#endif
