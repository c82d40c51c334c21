/*
 * Holds: reasons why something must not be deleted or rolled back. A volume, a snapshot or a
 * version can have any number of them, each with a number, a reason and who gave it.
 *
 * Errors: 0 or -errno with a line. -ENOENT, -EINVAL, -EROFS, -EIO, -ENOSPC, -ENOMEM.
 * Threads: any, at once. None of these is called on a read, write or flush.
 */
#ifndef VARVE_HOLD_H
#define VARVE_HOLD_H

#include <stdint.h>
#include <varve/server.h>
#include <varve/snapshot.h>

struct varve;

enum { VARVE_REF_MAX = 256 }; /* bytes of a ref in full */

struct varve_hold {
    int64_t number;              /* never used again */
    char kind[16];               /* of what it holds: "volume", "snapshot", "version" */
    char ref[VARVE_REF_MAX + 1]; /* in full, as it is called now */
    char reason[VARVE_REASON_MAX + 1];
    int64_t created; /* seconds since 1970 */
    char who[VARVE_ACTOR_MAX + 1];
};

/* `reason` has 1 to VARVE_REASON_MAX bytes. `ret_hold` may be NULL. */
int varve_hold_add(struct varve *varve, const char *ref, const char *reason,
                   struct varve_hold *ret_hold);

/* `what` is a hold's number, or a ref: then all its holds are released. *ret_count says how many.
 * -ENOENT when there is no such hold, or nothing holds the ref. */
int varve_hold_release(struct varve *varve, const char *what, unsigned *ret_count);

/* Calls `visit` for each hold on `ref` (NULL: on anything), oldest first; a nonzero return of it
 * stops and is returned. */
typedef int (*varve_hold_visit)(void *opaque, const struct varve_hold *hold);
int varve_hold_list(struct varve *varve, const char *ref, varve_hold_visit visit, void *opaque);

#endif
