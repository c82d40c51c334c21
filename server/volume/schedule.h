/* Schedules: what is due is done by schedules_run, which a thread of a served store calls. */
#ifndef VOLUME_SCHEDULE_H
#define VOLUME_SCHEDULE_H

#include <varve/snapshot.h>

#include "volume/served_store.h"

/* Takes what is due at `now` (seconds since 1970), each schedule one snapshot at most, and deletes
 * what they no longer keep. All are tried; returns what the first that failed said. *ret_next gets
 * the time at which the next one is due, INT64_MAX without any; set also on failure, where one that
 * failed is left out. Takes the names lock for each schedule anew. */
int schedules_run(struct varve *varve, int64_t now, int64_t *ret_next);

struct schedule_thread;
int schedule_thread_start(struct varve *varve, struct schedule_thread **ret_thread);
void schedule_thread_stop(struct schedule_thread *thread); /* takes NULL */
/* A schedule was made. Takes NULL. */
void schedule_thread_wake(struct schedule_thread *thread);

#endif
