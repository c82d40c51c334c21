/*
 * Where the space went, and what a delete would bring back.
 *
 * Clones share blocks with what they were made from, and no image has a parent in the end: a block
 * belongs to all that refer to it, and comes back when the last of them is deleted. All numbers are
 * bytes, multiples of 4096 except sizes. They are exact for what is frozen; while a volume is
 * written they are near.
 *
 * Errors: 0 or -errno with a line. -EINVAL, -ENOENT, -EIO, -ENOMEM, -ECANCELED.
 * Threads: any, at once. Never called on a read, write or flush.
 */
#ifndef VARVE_USAGE_H
#define VARVE_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <varve/hold.h>

struct varve;

struct varve_usage {
    char kind[16]; /* "volume", "snapshot", "version" */
    char ref[VARVE_REF_MAX + 1];
    uint64_t size;
    uint64_t mapped;      /* holds data: unique + shared */
    uint64_t unique;      /* data that nothing else refers to */
    uint64_t shared;      /* data that others refer to, too */
    uint64_t reclaimable; /* comes back when this alone is deleted: unique, the map pages that are
                             its own, and a version's digests and list of files */
    bool damaged;         /* the store does not have its image: all numbers are 0 */
};

/* Each volume, snapshot and version by itself, in the order in which they were made. Reports
 * progress. */
typedef int (*varve_usage_visit)(void *opaque, const struct varve_usage *usage);
int varve_usage_list(struct varve *varve, varve_usage_visit visit, void *opaque);

/* Of one. What was deleted and is still being counted down after a second counts as there. */
int varve_usage_show(struct varve *varve, const char *ref, struct varve_usage *ret_usage);

/* Who else refers to data of `ref`. Sums over sharers may be more than `shared`: a block can have
 * many. Calls `visit` for each, most shared bytes first. Reports progress. */
struct varve_sharer {
    char kind[16];
    char ref[VARVE_REF_MAX + 1];
    uint64_t bytes;
};
typedef int (*varve_sharer_visit)(void *opaque, const struct varve_sharer *sharer);
int varve_usage_sharers(struct varve *varve, const char *ref, varve_sharer_visit visit,
                        void *opaque);

/* --- before a delete -------------------------------------------------------------------------- */

struct varve_doomed {
    char kind[16];
    char ref[VARVE_REF_MAX + 1];
    uint64_t size, mapped;
    const char *const *blockers; /* why it cannot be deleted now, one sentence each: attached by
                                    whom, held, tagged. Valid during the visit */
    size_t blocker_count;
};
struct varve_preview {
    uint64_t count;       /* volumes, snapshots and versions that would go */
    uint64_t reclaimable; /* comes back when all of them are deleted */
    uint64_t blockers;
};
/* What deleting all these would do; changes nothing. A ref is of a volume, a snapshot or a version;
 * DATASET:* stands for all versions of a dataset. `visit` may be NULL. */
typedef int (*varve_doomed_visit)(void *opaque, const struct varve_doomed *doomed);
int varve_delete_preview(struct varve *varve, const char *const *refs, size_t count,
                         varve_doomed_visit visit, void *opaque, struct varve_preview *ret_preview);

#endif
