/*
 * Compaction: rewrites what a volume, snapshot or version holds in its logical order, so that
 * sequential reads are sequential on the device again. Contents, digests and what is shared stay as
 * they are; I/O goes on, and a request to the 1 MiB that is being moved waits some milliseconds.
 *
 * What others refer to, too (snapshots, clones, versions), is left where it is: moving it would
 * make a second copy.
 */
#ifndef VARVE_COMPACT_H
#define VARVE_COMPACT_H

#include <stdint.h>
#include <varve/hold.h>

struct varve;

/* Bytes; their sum is about what the image maps. */
struct varve_compact_result {
    char ref[VARVE_REF_MAX + 1]; /* what was compacted, in full and for good */
    uint64_t moved;
    uint64_t in_order;  /* lay well already */
    uint64_t shared;    /* left because others refer to them */
    uint64_t scattered; /* left because free space is too scattered */
};

/* In this thread. `rate`: moves at most so many bytes a second, 0: as fast as it goes. Meanwhile it
 * is attached by "varve compact", so that it cannot be deleted. Reports progress. 0 when it ran to
 * its end, or -errno: -ECANCELED, -ENOSPC; what was moved until then is moved. */
int varve_compact(struct varve *varve, const char *ref, uint64_t rate,
                  struct varve_compact_result *ret_result);

#endif
