/*
 * Why schedules failed when they were last due, for who asks (varve_schedule_list). In memory: a
 * server that starts tries at once, and knows again. All expect the names lock.
 */
#ifndef VOLUME_SCHEDULE_FAILURE_H
#define VOLUME_SCHEDULE_FAILURE_H

#include <varve/snapshot.h>

#include "volume/served_store.h"

/* `now` is when it failed; `why` is cut. Without memory it is forgotten. */
void schedule_failed_locked(struct varve *varve, const char *volume, int64_t every, int64_t now,
                            const char *why);
void schedule_succeeded_locked(struct varve *varve, const char *volume, int64_t every);

/* Sets `failed` and `failure`; schedule->volume and ->every say of which. */
void schedule_failure_show_locked(const struct varve *varve, struct varve_schedule *schedule);

void schedule_failures_free(struct varve *varve);

#endif
