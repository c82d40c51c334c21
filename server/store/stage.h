/*
 * The stage: the memory that outlives a server (io/io.h, stage_map), and what lies where in it:
 *
 *   header (1 block) · extent descriptors (1 block each) · the log · extent buffers
 *
 * While a server runs, all that it has answered is in its files or here. The next open, finding a
 * stage of the same store and session, puts the blocks of the extents to their places and replays
 * the log behind the journal's end: a server's death loses nothing.
 */
#ifndef STORE_STAGE_H
#define STORE_STAGE_H

#include "base/block.h"
#include "format/superblock.h"
#include "io/io.h"
#include "journal/log.h"

enum { STAGE_EXTENT_BLOCKS_MAX = 256, STAGE_EXTENTS_MAX = 64 };

/* Where the blocks of an open extent lie. Written before the extent's blocks are referred to. */
struct stage_extent {
    _Atomic uint64_t count; /* places in use from the start; 0: the extent is not in use */
    uint64_t at[STAGE_EXTENT_BLOCKS_MAX];
};

struct stage_geometry {
    uint64_t extents, extent_blocks, log_bytes;
};

struct stage {
    uint8_t *memory;
    struct stage_geometry geometry;
};

uint64_t stage_bytes(const struct stage_geometry *geometry);

struct log_marks *stage_marks(const struct stage *stage);
struct stage_extent *stage_extent(const struct stage *stage, uint64_t extent);
uint8_t *stage_log(const struct stage *stage);
uint8_t *stage_buffer(const struct stage *stage, uint64_t extent);

/* Takes over the geometry of what a dead server left in `found` bytes. *ret_ours says whether it
 * counts: that it is of this store and session. -ENOTSUP when another version of varve left it, in
 * which there may be answered writes that this one cannot read. */
int stage_adopt(struct stage *stage, uint64_t found, const struct superblock *super,
                bool *ret_ours);

/* Marks it as this store's and session's; from here on it counts. All extents are not in use. */
void stage_begin(const struct stage *stage, const struct superblock *super);

/* A sync failed: what was written and is not here may be lost, although the page cache still shows
 * it. The next open believes only what it has verified. */
void stage_doubt(const struct stage *stage);
bool stage_is_in_doubt(const struct stage *stage);

/* It no longer counts. */
void stage_end(const struct stage *stage);

#endif
