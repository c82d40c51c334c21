/*
 * The history: every change of what users name, with who made it and when. It is only added to, and
 * outlives what it speaks of.
 *
 * Errors: 0 or -errno with a line. -EINVAL, -EIO, -ENOMEM. Threads: any, at once. Never called on a
 * read, write or flush.
 */
#ifndef VARVE_HISTORY_H
#define VARVE_HISTORY_H

#include <stdint.h>
#include <varve/hold.h>
#include <varve/server.h>

struct varve;

enum { VARVE_WHAT_MAX = 1151 };

struct varve_event {
    int64_t number; /* order of the changes: clocks may jump, this does not */
    int64_t time;   /* seconds since 1970, for people */
    char who[VARVE_ACTOR_MAX + 1];
    char kind[32];                  /* of the object: "volume", "snapshot", "dataset" ... */
    char object[VARVE_REF_MAX + 1]; /* what it was called then */
    char what[VARVE_WHAT_MAX + 1];  /* "resized from 1073741824 to 2147483648 bytes" */
};

struct varve_history_options {
    const char *object; /* of this, and of what is named behind it with '@' or ':'; NULL: of all. A
                           ref like DATASET:latest is taken for what it names now */
    const char *kind;   /* of this kind alone, or NULL */
    uint64_t limit;     /* at most so many of the newest; 0: all */
};

/* Calls `visit` for each event, newest first; a nonzero return of it stops and is returned. */
typedef int (*varve_history_visit)(void *opaque, const struct varve_event *event);
int varve_history_list(struct varve *varve, const struct varve_history_options *options,
                       varve_history_visit visit, void *opaque);

#endif
