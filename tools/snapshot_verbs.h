/* The verbs of `varve snapshots`. */
#ifndef TOOLS_SNAPSHOT_VERBS_H
#define TOOLS_SNAPSHOT_VERBS_H

#include <jansson.h>

#include "command.h"

extern const struct command snapshot_create, snapshot_set, snapshot_delete; /* snapshot_change.c */

extern const struct command snapshot_schedule, snapshot_schedules; /* snapshot_schedule.c */

/* Fetches one snapshot by its ref. */
int snapshot_fetch(const struct invocation *invocation, const char *ref, json_t **ret_snapshot);

#endif
