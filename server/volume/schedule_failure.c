#include "volume/schedule_failure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct schedule_failure {
    struct schedule_failure *next;
    struct varve_schedule schedule;
};

static struct schedule_failure **place_of(struct varve *varve, const char *volume, int64_t every)
{
    struct schedule_failure **place = &varve->schedule_failures;

    while (*place != NULL &&
           ((*place)->schedule.every != every || strcmp((*place)->schedule.volume, volume) != 0))
        place = &(*place)->next;
    return place;
}

void schedule_failed_locked(struct varve *varve, const char *volume, int64_t every, int64_t now,
                            const char *why)
{
    struct schedule_failure **place = place_of(varve, volume, every);

    if (*place == NULL)
        *place = calloc(1, sizeof **place);
    if (*place == NULL)
        return;
    (*place)->schedule.every = every;
    (*place)->schedule.failed = now;
    snprintf((*place)->schedule.volume, sizeof(*place)->schedule.volume, "%s", volume);
    snprintf((*place)->schedule.failure, sizeof(*place)->schedule.failure, "%s", why);
}

void schedule_succeeded_locked(struct varve *varve, const char *volume, int64_t every)
{
    struct schedule_failure **place = place_of(varve, volume, every), *gone = *place;

    if (gone != NULL)
        *place = gone->next;
    free(gone);
}

void schedule_failure_show_locked(const struct varve *varve, struct varve_schedule *schedule)
{
    const struct schedule_failure *each = varve->schedule_failures;

    for (; each != NULL; each = each->next) {
        if (each->schedule.every != schedule->every ||
            strcmp(each->schedule.volume, schedule->volume) != 0)
            continue;
        schedule->failed = each->schedule.failed;
        memcpy(schedule->failure, each->schedule.failure, sizeof schedule->failure);
    }
}

void schedule_failures_free(struct varve *varve)
{
    while (varve->schedule_failures != NULL) {
        struct schedule_failure *next = varve->schedule_failures->next;

        free(varve->schedule_failures);
        varve->schedule_failures = next;
    }
}
