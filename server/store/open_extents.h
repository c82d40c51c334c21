/*
 * Open extents: buffers in the stage whose places on disk are chosen, into which writes are copied
 * one after another.
 *
 *   free --open--> open --(all places given out, or sealed)--> sealed --(all blocks written)-->
 * free
 *
 * A block in one goes: taken (its writer copies) -> complete (the map refers to it, reads find it
 * here) -> written (its place on disk has it, too). A complete block may be carried by a journal
 * batch before it is written: carried.
 *
 * Locking: the store's mutex. The bytes of a taken block belong to its writer, those of a complete
 * block do not change until the extent is free again; a pin keeps it from becoming free.
 */
#ifndef STORE_OPEN_EXTENTS_H
#define STORE_OPEN_EXTENTS_H

#include "base/memory.h"
#include "store/stage.h"

enum { EXTENT_WORDS = STAGE_EXTENT_BLOCKS_MAX / 64 };

enum extent_state { EXTENT_FREE, EXTENT_OPEN, EXTENT_SEALED };

/* Who may take places: all; or, when the store is full too, overwrites and images whose space is
 * set aside. */
enum extent_use { EXTENT_NORMAL, EXTENT_OVERWRITE, EXTENT_USES };

struct open_extent {
    enum extent_state state;
    enum extent_use use;
    unsigned count; /* places */
    unsigned taken; /* given out, from the start */
    unsigned pins;
    uint64_t opened; /* how many times it was opened: a new number means other blocks */
    bool writing;    /* a write of some of its blocks is under way */
    bool large;      /* holds a large write: goes to the page cache, like one that goes straight */
    uint64_t complete[EXTENT_WORDS], written[EXTENT_WORDS], carried[EXTENT_WORDS];
    uint8_t *buffer;
    struct stage_extent *stage; /* where the places are */
};

struct extent_index;

struct open_extents {
    unsigned extents, blocks;
    struct open_extent extent[STAGE_EXTENTS_MAX];
    struct open_extent *current[EXTENT_USES];
    struct extent_index *index;
    struct memory memory;
};

/* A block in an open extent. */
struct extent_block {
    struct open_extent *extent;
    unsigned index;
};

int open_extents_begin(struct open_extents *x, const struct stage *stage,
                       const struct memory *memory);
void open_extents_end(struct open_extents *x);

/* A free extent becomes the current one of that use; false when none is free. Places follow by
 * add_places. */
bool open_extents_open(struct open_extents *x, enum extent_use use);
void open_extents_add_places(struct open_extents *x, enum extent_use use, struct pblock first,
                             uint64_t count);

/* Takes up to `want` places next to each other of the current extent. 0: it has none, or there is
 * none. */
unsigned open_extents_take(struct open_extents *x, enum extent_use use, unsigned want,
                           struct extent_block *ret_block);

static inline struct pblock extent_place(const struct open_extent *extent, unsigned index)
{
    return pblock_at(extent->stage->at[index]);
}

static inline uint8_t *extent_bytes(const struct open_extent *extent, unsigned index)
{
    return extent->buffer + (uint64_t)index * BLOCK_SIZE;
}

/* The blocks are complete. `wanted` is false when their writer gave up: they count as written. */
void open_extents_complete(struct open_extents *x, struct extent_block block, unsigned count,
                           bool wanted);

/* The block's bytes if it is complete and in an open extent. */
bool open_extents_find(const struct open_extents *x, struct pblock at,
                       struct extent_block *ret_block);

/* No more places are given out. Returns the places that were not, to be freed: *ret_first and a
 * count. They may not be next to each other: call until it returns 0. */
uint64_t open_extents_seal(struct open_extents *x, enum extent_use use, struct pblock *ret_first);

/* Frees the extent if it is sealed, written and not pinned. */
void open_extents_retire(struct open_extents *x, struct open_extent *extent);

/* Complete blocks that are not written: of all extents. */
unsigned open_extents_pending(const struct open_extents *x);

static inline uint64_t extent_unwritten(const struct open_extent *extent, unsigned word)
{
    return extent->complete[word] & ~extent->written[word];
}

/* Is there a sealed extent whose complete blocks are not all written, and that nobody writes just
 * now?
 */
bool open_extents_full(const struct open_extents *x);
/* One of those holds blocks that a journal carries, and others that none does yet. */
bool open_extents_part_carried(const struct open_extents *x);

#endif
