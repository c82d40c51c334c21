/*
 * Snapshots of volumes: frozen images that are named VOLUME@NAME and can be attached to read, by
 * any number of clients, for as long as they are there. Taking one costs the same whatever the
 * volume's size, and no request of a client waits for another snapshot's sake.
 *
 * A snapshot depends on nothing: its volume, and older or newer snapshots, can be deleted before
 * it. When its volume is deleted it stays, under the same name; a new volume of that name can then
 * be made only from one of them (varve_volume_create with `from`), which takes the others over.
 *
 * What will hurt: a snapshot holds what was answered at its point in time, as after a power cut
 * that lost nothing. A file system on it may have a journal to replay, which nobody can do on a
 * frozen image: mount it without (ext4: noload), or clone it.
 *
 * Each function is atomic: after a failure nothing has changed. Errors: -EINVAL no such form,
 * -ENOENT, -EEXIST, -EBUSY attached or held (the line says by whom), -EROFS opened read-only,
 * -ENOSPC, -EIO, -ENOMEM.
 *
 * Threads: any, at once. None of these is called on a read, write or flush.
 */
#ifndef VARVE_SNAPSHOT_H
#define VARVE_SNAPSHOT_H

#include <stddef.h>
#include <varve/server.h>
#include <varve/volume.h>

/* Bytes. */
enum { VARVE_MESSAGE_MAX = 1023, VARVE_REASON_MAX = 255 };
/* Of volumes that one call takes snapshots of. */
enum { VARVE_SNAPSHOT_GROUP_MAX = 256 };

struct varve_snapshot {
    char ref[2 * VARVE_NAME_MAX + 2]; /* VOLUME@NAME */
    char volume[VARVE_NAME_MAX + 1];
    char name[VARVE_NAME_MAX + 1];
    uint64_t image;        /* number in the store */
    uint64_t size;         /* bytes */
    uint64_t mapped_bytes; /* bytes that hold data, shared with others or not */
    int64_t created;       /* seconds since 1970, for people; order never comes from it */
    char who[VARVE_ACTOR_MAX + 1];
    char message[VARVE_MESSAGE_MAX + 1];
    int64_t schedule;     /* seconds between two of the schedule that took it; 0: a person did */
    unsigned holds;       /* reasons to keep it */
    unsigned connections; /* open exports of it now */
    bool damaged; /* the catalog names an image that the store does not have: can only be shown and
                     deleted; size and mapped_bytes are 0 */
};

struct varve_snapshot_options {
    const char *name;    /* of all that do not bring their own; NULL: from the time, in UTC, like
                            20260102-030405, with -2, -3 ... behind it where that is taken */
    const char *message; /* or NULL */
    const char *hold;    /* why they must not be deleted, or NULL */
};

/* Takes a snapshot of each volume, all at one point in time: whatever was answered before the call
 * is in all of them, and no later write is in one and an earlier one missing in another. `volumes`
 * are VOLUME or VOLUME@NAME, each volume once. `ret_snapshots` gets `count` of them. */
int varve_snapshot_create(struct varve *varve, const char *const *volumes, size_t count,
                          const struct varve_snapshot_options *options,
                          struct varve_snapshot *ret_snapshots);

int varve_snapshot_show(struct varve *varve, const char *ref, struct varve_snapshot *ret_snapshot);

/* Calls `visit` for each snapshot of `volume` (NULL: of all), in the order of volumes and, within
 * one, of age; a nonzero return of it stops and is returned. -ENOENT when neither the volume nor a
 * snapshot of it is there. */
typedef int (*varve_snapshot_visit)(void *opaque, const struct varve_snapshot *snapshot);
int varve_snapshot_list(struct varve *varve, const char *volume, varve_snapshot_visit visit,
                        void *opaque);

int varve_snapshot_set_message(struct varve *varve, const char *ref, const char *message);

/* The space that nothing else uses comes back in the background. */
int varve_snapshot_delete(struct varve *varve, const char *ref);

/* --- schedules --------------------------------------------------------------------------------
 *
 * A served store takes a snapshot of the volume in each interval, the first at once, and deletes
 * all but the newest `keep` of those that the same schedule took. What is held or attached is
 * passed over, and stays besides these. An interval in which nobody served the store is not made up
 * for, and a jump of the clock neither hurries nor delays a schedule by more than one interval.
 */

enum { VARVE_SCHEDULE_KEEP_MAX = 10000 };
#define VARVE_SCHEDULE_EVERY_MAX ((int64_t)366 * 24 * 3600) /* seconds */

struct varve_schedule {
    char volume[VARVE_NAME_MAX + 1];
    int64_t every;     /* seconds, from 1 */
    int64_t keep;      /* snapshots, from 1 */
    int64_t last;      /* when it last took one, seconds since 1970; 0: never */
    int64_t failed;    /* when it was last due and failed, as far as this process knows; 0: it did
                          not. It is tried again soon, and deletes none of the old ones before a new
                          one is taken */
    char failure[256]; /* why */
};

/* Adds a schedule; one with the same interval gets the new `keep`. */
int varve_schedule_set(struct varve *varve, const char *volume, int64_t every, int64_t keep);
/* Removes the schedule of that interval, or all of the volume with `every` 0. -ENOENT when there is
 * none. What it took stays, and a later schedule of the same interval goes on with it. */
int varve_schedule_remove(struct varve *varve, const char *volume, int64_t every);
/* In the order of volumes and intervals; `volume` NULL: of all. */
typedef int (*varve_schedule_visit)(void *opaque, const struct varve_schedule *schedule);
int varve_schedule_list(struct varve *varve, const char *volume, varve_schedule_visit visit,
                        void *opaque);

#endif
