/* Volumes and datasets without a team share one space of names. */
#ifndef VOLUME_NAME_TAKEN_H
#define VOLUME_NAME_TAKEN_H

struct catalog;

/* 0, or -EEXIST with a line when a volume, or a dataset without a team, is called so, or a dataset
 * has it as its id. Expects the names lock. */
int name_is_free_locked(struct catalog *catalog, const char *name);
/* 0, or -EEXIST when a deleted volume of that name left snapshots. Expects the names lock. */
int name_has_no_past_locked(struct catalog *catalog, const char *name);

#endif
