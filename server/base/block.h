/*
 * Blocks, the unit of mapping, checksum and copy-on-write, and the two kinds of block numbers. They
 * are different types so that one cannot be passed for the other.
 */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SHIFT 12
#define BLOCK_SIZE  ((uint64_t)1 << BLOCK_SHIFT)

/* A physical block: its number in the extents file. */
struct pblock {
    uint64_t n;
};

/* A logical block: its number in an image. */
struct lblock {
    uint64_t n;
};

static inline struct pblock pblock_at(uint64_t n)
{
    return (struct pblock){n};
}

static inline struct lblock lblock_at(uint64_t n)
{
    return (struct lblock){n};
}

static inline uint64_t pblock_offset(struct pblock block)
{
    return block.n << BLOCK_SHIFT;
}

/* Blocks that it takes to hold that many bytes. */
static inline uint64_t blocks_for(uint64_t bytes)
{
    return (bytes >> BLOCK_SHIFT) + ((bytes & (BLOCK_SIZE - 1)) != 0);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
