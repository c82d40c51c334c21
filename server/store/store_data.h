/*
 * Reads and writes of whole blocks, and how a byte range falls into blocks: shared by the files
 * that implement the data calls of store.h.
 */
#ifndef STORE_STORE_DATA_H
#define STORE_STORE_DATA_H

#include "store/internal.h"

/* A byte range as a part of a first block, whole blocks, and a part of a last one. A range inside
 * one block is all head. */
struct byte_range {
    uint64_t start, end; /* blocks touched, end excluded */
    struct lblock head;
    unsigned head_from, head_to; /* bytes in the head block; equal: no head */
    struct lblock middle;
    uint64_t middle_count;
    struct lblock tail;
    unsigned tail_to; /* bytes of the tail block from its start; 0: no tail */
};

struct byte_range byte_range_of(uint64_t offset, uint64_t length);

static inline bool byte_range_fits(uint64_t size, uint64_t offset, uint64_t length)
{
    return offset <= size && length <= size - offset;
}

/* --- store_room.c: room for a request before its first change ---- */

/* Room for the data of one request. Zeroes: none. */
struct promise {
    enum extent_use use;
    uint64_t blocks; /* promised and not taken yet; counted in store->promised */
    bool backed;     /* with space below */
};

/* Makes sure of places for new content of these blocks and, when it is more than one or only a part
 * of what is asked for, of the map pages that refer to them; the caller holds their range alone.
 * -ENOSPC without any effect; after 0 the request does not fail for want of space. Lets the lock
 * go. */
int store_promise_locked(struct store *store, struct store_image *image, struct lblock first,
                         uint64_t count, bool is_part, struct promise *ret_promise);
/* What was not taken is free for others. */
void store_promise_end_locked(struct store *store, struct promise *promise);

/* Takes up to `want` places next to each other, out of the promise. Lets the lock go. */
int store_take_places_locked(struct store *store, struct promise *promise, unsigned want,
                             struct extent_block *ret_block, unsigned *ret_count);

/* The same for a run of free blocks, up to `want`, that goes to no open extent. -ENOSPC: there is
 * none; the other way still works. */
int store_take_run_locked(struct store *store, struct promise *promise, unsigned want,
                          struct pblock *ret_first, uint64_t *ret_count);
/* Gives all of a run back that was not written. */
void store_untake_run_locked(struct store *store, struct promise *promise, struct pblock first,
                             uint64_t count);

/* Makes sure of the map pages that zeroing this range changes. -ENOSPC without any effect. Lets the
 * lock go. */
int store_prepare_zero_locked(struct store *store, struct store_image *image,
                              const struct byte_range *range);

/* Blocks that nothing but promised data may take. */
uint64_t store_promised_locked(const struct store *store);

/* --- data ---- */

/* Whole blocks; the caller holds the range lock, and store->lock not. */
int store_read_blocks(struct store *store, struct store_image *image, struct lblock first,
                      uint64_t count, uint8_t *buffer);
/* Up to `count` blocks of one leaf, written to places of their own; *ret_count says how many. With
 * 0 there is no room for that, and nothing was done. */
int store_write_straight(struct store *store, struct store_image *image, struct lblock first,
                         unsigned count, const uint8_t *buffer, struct promise *promise,
                         unsigned *ret_count);
/* By their places. */
void store_sort_requests(struct io_request *requests, size_t count);
/* Makes whole blocks holes, with a record for each step. */
int store_punch(struct store *store, struct store_image *image, struct lblock first,
                uint64_t count);
/* Zeroes in a part of a block; a hole stays one. */
int store_zero_part(struct store *store, struct store_image *image, struct lblock lblock,
                    unsigned start, unsigned end);

#endif
