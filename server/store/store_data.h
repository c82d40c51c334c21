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

/* Whole blocks; the caller holds the range lock, and store->lock not. */
int store_read_blocks(struct store *store, struct store_image *image, struct lblock first,
                      uint64_t count, uint8_t *buffer);
int store_write_blocks(struct store *store, struct store_image *image, struct lblock first,
                       uint64_t count, const uint8_t *buffer);
/* Up to `count` blocks of one leaf, written to places of their own; *ret_count says how many. With
 * 0 there is no room for that, and nothing was done. */
int store_write_straight(struct store *store, struct store_image *image, struct lblock first,
                         unsigned count, const uint8_t *buffer, unsigned *ret_count);
/* Blocks that a write to the image leaves free for others. */
uint64_t store_blocks_to_keep(const struct store *store, const struct store_image *image);
/* Makes whole blocks holes, with a record for each step. */
int store_punch(struct store *store, struct store_image *image, struct lblock first,
                uint64_t count);
/* Zeroes in a part of a block; a hole stays one. */
int store_zero_part(struct store *store, struct store_image *image, struct lblock lblock,
                    unsigned start, unsigned end);

#endif
