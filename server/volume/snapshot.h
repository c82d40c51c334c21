/* Between the files of snapshots and schedules of this folder. */
#ifndef VOLUME_SNAPSHOT_H
#define VOLUME_SNAPSHOT_H

#include <varve/snapshot.h>

#include "catalog/catalog_snapshots.h"
#include "volume/served_store.h"

/* A row, and what the store knows of it. A missing image is no failure: *ret_snapshot says that it
 * is damaged. Expects the names lock. */
int snapshot_stat_locked(struct varve *varve, const struct catalog_snapshot *row,
                         struct varve_snapshot *ret_snapshot);

/* How snapshots are taken, besides the options: by a schedule, at a given time. */
struct snapshot_occasion {
    int64_t now;      /* seconds since 1970 */
    int64_t schedule; /* seconds of the schedule that takes it; 0: a person does */
};
int snapshots_take_locked(struct varve *varve, struct catalog *catalog, const char *const *volumes,
                          size_t count, const struct varve_snapshot_options *options,
                          const struct snapshot_occasion *occasion,
                          struct varve_snapshot *ret_snapshots);

/* Deletes one that neither a client nor a hold guards; -EBUSY when one does. */
int snapshot_delete_locked(struct varve *varve, struct catalog *catalog,
                           const struct catalog_snapshot *row, const char *why);

/* The row that VOLUME@NAME names; -EINVAL for any other text. Expects the names lock. */
int snapshot_find_locked(struct catalog *catalog, const char *ref,
                         struct catalog_snapshot *ret_row);

#endif
