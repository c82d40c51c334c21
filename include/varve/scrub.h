/*
 * The scrub: reads everything that the store refers to from the device, past all caches, and
 * verifies checksums. Blocks that are shared are read once. I/O goes on meanwhile.
 *
 * Damage is told in one line for each damaged block: the volumes, snapshots and versions that map
 * it, the offset in them, and the block of the extents (at 4096 times its number). It also counts
 * in varve_stats.checksum_errors.
 */
#ifndef VARVE_SCRUB_H
#define VARVE_SCRUB_H

#include <stdbool.h>
#include <stdint.h>

struct varve;

enum { VARVE_SCRUB_LINE_MAX = 1024 };
typedef void (*varve_scrub_report)(void *opaque, const char *line);

struct varve_scrub_result {
    uint64_t bytes_read;
    uint64_t damaged; /* blocks */
};

/* One pass, in this thread. `rate` in bytes a second, 0: as fast as it goes. Reports progress. 0
 * when it ran to its end, or -errno: -ECANCELED. */
int varve_scrub(struct varve *varve, uint64_t rate, varve_scrub_report report, void *opaque,
                struct varve_scrub_result *ret_result);

/* The scrub in the background of a server, with varve_tuning.scrub_rate: a pass when the server
 * starts and then one a day. Where it is is not kept over a restart of the server. */
struct varve_scrub_state {
    uint64_t rate;
    bool running;              /* a pass is under way */
    uint64_t passes;           /* finished since the start */
    uint64_t bytes_read;       /* since the start */
    uint64_t pass_bytes;       /* in this pass, or the last one */
    uint64_t total_bytes;      /* about what a pass reads */
    uint64_t damaged;          /* blocks found in this pass, or the last one */
    uint64_t image, offset;    /* where it is; image 0: in the store's own pages */
    int64_t finished;          /* end of the last pass, seconds since 1970; 0: none yet */
    uint64_t finished_damaged; /* blocks that it found */
};
/* False: there is none. */
bool varve_scrub_get(struct varve *varve, struct varve_scrub_state *ret_state);

#endif
