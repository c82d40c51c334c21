/*
 * What schedules do when they are due. One that is due takes one snapshot, however many intervals
 * have passed; its time of the last one is in the same transaction. A time of the last one in the
 * future says that the clock was set back: then it is due, too, or it would wait for the old time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_schedules.h"
#include "volume/rows.h"
#include "volume/schedule.h"
#include "volume/schedule_failure.h"
#include "volume/snapshot.h"

/* Deletes of one run: more, after `keep` was lowered, are for the runs after it. */
enum { DELETES_MAX = 64 };

static bool is_due(const struct catalog_schedule *schedule, int64_t now)
{
    return schedule->last == 0 || schedule->last > now || now - schedule->last >= schedule->every;
}

static int collect_taken(struct catalog *catalog, const struct catalog_schedule *schedule,
                         struct rows *rows)
{
    struct catalog_snapshot row = {.id = 0};
    int r;

    memcpy(row.volume, schedule->volume, sizeof row.volume);
    while ((r = catalog_snapshot_next(catalog, row.volume, row.id, &row)) == 0 &&
           strcmp(row.volume, schedule->volume) == 0) {
        if (row.schedule != schedule->every)
            continue;
        r = rows_add(rows, &row);
        if (r != 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

/* All but the newest `keep` go. Those that are guarded stay besides, so that no number of them
 * makes the newer ones go. */
static int thin_out(struct varve *varve, struct catalog *catalog,
                    const struct catalog_schedule *schedule)
{
    struct rows rows = {.size = sizeof(struct catalog_snapshot)};
    char why[96];
    int r = collect_taken(catalog, schedule, &rows);
    unsigned deleted = 0;

    snprintf(why, sizeof why, "deleted: the schedule of every %" PRId64 " seconds keeps %" PRId64,
             schedule->every, schedule->keep);
    for (size_t i = 0; r == 0 && i + (size_t)schedule->keep < rows.count && deleted < DELETES_MAX;
         i++) {
        r = snapshot_delete_locked(varve, catalog, rows_at(&rows, i), why);
        deleted += r == 0;
        if (r == -EBUSY)
            r = 0;
    }
    free(rows.rows);
    return r;
}

static int run_one(struct varve *varve, struct catalog *catalog,
                   const struct catalog_schedule *schedule, int64_t now)
{
    const char *const volumes[] = {schedule->volume};
    const struct varve_snapshot_options options = {.message = NULL};
    const struct snapshot_occasion occasion = {.now = now, .schedule = schedule->every};
    struct varve_snapshot taken;
    int r = snapshots_take_locked(varve, catalog, volumes, 1, &options, &occasion, &taken);

    return r == 0 ? thin_out(varve, catalog, schedule) : r;
}

int schedules_run(struct varve *varve, int64_t now, int64_t *ret_next)
{
    struct catalog_schedule row = {.every = 0};
    char line[512] = "";
    int first = 0, r = 0;

    *ret_next = INT64_MAX;
    while (r == 0) {
        struct catalog *catalog;
        int one = 0;

        r = names_enter(varve, &catalog);
        if (r != 0)
            break;
        r = catalog_schedule_next(catalog, row.volume, row.every, &row);
        if (r == 0 && is_due(&row, now)) {
            one = run_one(varve, catalog, &row, now);
            if (one == 0)
                schedule_succeeded_locked(varve, row.volume, row.every);
            else
                schedule_failed_locked(varve, row.volume, row.every, now, varve_error());
            row.last = now;
        }
        names_leave(varve);
        if (r == 0 && one == 0 && row.last + row.every < *ret_next)
            *ret_next = row.last + row.every;
        if (one != 0 && first == 0) {
            first = one;
            snprintf(line, sizeof line, "schedule of volume '%s': %s", row.volume, varve_error());
        }
    }
    if (r != -ENOENT)
        return r;
    return first == 0 ? 0 : varve_fail(-first, "%s", line);
}
