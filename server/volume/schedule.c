/* Schedules as they are: made, removed, listed. */
#include "volume/schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_schedules.h"
#include "volume/rows.h"
#include "volume/schedule_failure.h"
#include "volume/volume_name.h"

static int check_every(int64_t every)
{
    if (every >= 1 && every <= VARVE_SCHEDULE_EVERY_MAX)
        return 0;
    return varve_fail(EINVAL,
                      "a schedule's interval is 1 to %" PRId64 " seconds (366 days), not %" PRId64,
                      VARVE_SCHEDULE_EVERY_MAX, every);
}

static int enter_to_change(struct varve *varve, const char *volume, struct catalog **ret_catalog)
{
    int r = name_check(volume);

    return r == 0 ? names_enter_to_change(varve, ret_catalog) : r;
}

static int set_locked(struct catalog *catalog, const char *volume, int64_t every, int64_t keep)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog_schedule schedule = {.every = every, .keep = keep};
    struct catalog_volume row;
    int r = catalog_volume_find(catalog, volume, &row);

    if (r != 0)
        return r;
    snprintf(schedule.volume, sizeof schedule.volume, "%s", volume);
    snprintf(what, sizeof what,
             "snapshots are taken every %" PRId64 " seconds, and %" PRId64 " of them kept", every,
             keep);
    return catalog_schedule_set(catalog, &schedule, &change);
}

int varve_schedule_set(struct varve *varve, const char *volume, int64_t every, int64_t keep)
{
    struct catalog *catalog;
    int r = check_every(every);

    if (r == 0 && (keep < 1 || keep > VARVE_SCHEDULE_KEEP_MAX))
        r = varve_fail(EINVAL, "a schedule keeps 1 to %d snapshots, not %" PRId64,
                       VARVE_SCHEDULE_KEEP_MAX, keep);
    if (r == 0)
        r = enter_to_change(varve, volume, &catalog);
    if (r != 0)
        return r;
    r = set_locked(catalog, volume, every, keep);
    names_leave(varve);
    if (r == 0)
        schedule_thread_wake(varve->schedules);
    return r;
}

static int remove_locked(struct catalog *catalog, const char *volume, int64_t every)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    unsigned count = 0;
    int r;

    if (every == 0)
        snprintf(what, sizeof what, "snapshots are no longer taken by schedules");
    else
        snprintf(what, sizeof what, "snapshots are no longer taken every %" PRId64 " seconds",
                 every);
    r = catalog_schedule_delete(catalog, volume, every, &change, &count);
    if (r != 0 || count > 0)
        return r;
    if (every == 0)
        return varve_fail(ENOENT, "volume '%s' has no schedule", volume);
    return varve_fail(ENOENT,
                      "volume '%s' has no schedule of every %" PRId64
                      " seconds; 'varve snapshots schedules %s' shows what it has",
                      volume, every, volume);
}

int varve_schedule_remove(struct varve *varve, const char *volume, int64_t every)
{
    struct catalog *catalog;
    int r = every != 0 ? check_every(every) : 0;

    if (r == 0)
        r = enter_to_change(varve, volume, &catalog);
    if (r != 0)
        return r;
    r = remove_locked(catalog, volume, every);
    names_leave(varve);
    return r;
}

static int collect_locked(struct varve *varve, struct catalog *catalog, const char *volume,
                          struct rows *rows)
{
    struct catalog_schedule row = {.every = 0};
    struct catalog_volume found;
    int r = volume != NULL ? catalog_volume_find(catalog, volume, &found) : 0;

    if (r != 0)
        return r;
    snprintf(row.volume, sizeof row.volume, "%s", volume != NULL ? volume : "");
    while ((r = catalog_schedule_next(catalog, row.volume, row.every, &row)) == 0) {
        struct varve_schedule schedule = {.every = row.every, .keep = row.keep, .last = row.last};

        if (volume != NULL && strcmp(row.volume, volume) != 0)
            break;
        memcpy(schedule.volume, row.volume, sizeof schedule.volume);
        schedule_failure_show_locked(varve, &schedule);
        r = rows_add(rows, &schedule);
        if (r != 0)
            break;
    }
    return r == -ENOENT ? 0 : r;
}

int varve_schedule_list(struct varve *varve, const char *volume, varve_schedule_visit visit,
                        void *opaque)
{
    struct rows rows = {.size = sizeof(struct varve_schedule)};
    struct catalog *catalog;
    int r = volume != NULL ? name_check(volume) : 0;

    if (r == 0)
        r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = collect_locked(varve, catalog, volume, &rows);
    names_leave(varve);
    for (size_t i = 0; r == 0 && i < rows.count; i++)
        r = visit(opaque, rows_at(&rows, i));
    free(rows.rows);
    return r;
}
