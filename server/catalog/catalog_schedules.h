/*
 * Schedules of snapshots in the catalog: one for each volume and interval.
 *
 * Errors, threads and durability as in catalog.h.
 */
#ifndef CATALOG_CATALOG_SCHEDULES_H
#define CATALOG_CATALOG_SCHEDULES_H

#include "catalog/catalog.h"

struct catalog_schedule {
    char volume[CATALOG_NAME_MAX + 1];
    int64_t every; /* seconds, above 0 */
    int64_t keep;  /* snapshots, above 0 */
    int64_t last;  /* when it last took one, seconds since 1970; 0: never */
};

/* Makes the schedule, or changes how many snapshots the one there keeps. */
int catalog_schedule_set(struct catalog *catalog, const struct catalog_schedule *schedule,
                         const struct catalog_change *change);
/* The schedule after (`volume`, `every`) in the order of volumes and intervals; ("", 0) to begin.
 * -ENOENT, with no line, after the last. */
int catalog_schedule_next(struct catalog *catalog, const char *volume, int64_t every,
                          struct catalog_schedule *ret_schedule);
/* Of one interval, or all of the volume with `every` 0. *ret_count says how many there were; with
 * none nothing has changed. */
int catalog_schedule_delete(struct catalog *catalog, const char *volume, int64_t every,
                            const struct catalog_change *change, unsigned *ret_count);

#endif
