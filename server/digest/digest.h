/*
 * The digest of a content, as DIGEST.md has it: SHA-256 over a tree of leaves of 1 MiB, in one of
 * two constructions. Pure functions; the only folder that includes openssl.
 *
 * Errors: 0, or -ENOMEM with a line. Threads: any, at once.
 */
#ifndef DIGEST_DIGEST_H
#define DIGEST_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DIGEST_BYTES = 32,
    DIGEST_TEXT = 64, /* hexadecimal digits */
    DIGEST_LEAF_SHIFT = 20,
    DIGEST_LEAF = 1 << DIGEST_LEAF_SHIFT,
    DIGEST_BLOCK_SHIFT = 12,
    DIGEST_BLOCK = 1 << DIGEST_BLOCK_SHIFT,
    DIGEST_LEAF_BLOCKS = DIGEST_LEAF / DIGEST_BLOCK,
    DIGEST_LEVELS = 45, /* 2^44 leaves cover all of 64 bits */
};

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

/* What a leaf's digest is made of. Only the leaves and the root differ, not the tree between. */
enum digest_construction {
    DIGEST_FLAT = 1,   /* its bytes */
    DIGEST_BLOCKS = 2, /* the digests of its blocks, so that it can be made anew from those that
                          changed */
};

void digest_print(const struct digest *digest, char text[DIGEST_TEXT + 1]);
bool digest_equal(const struct digest *a, const struct digest *b);
/* All 32 bytes are zero: what stands in a tree image for a block, leaf or node of zeroes. */
bool digest_is_blank(const struct digest *digest);

/* The form of the tree of a content of some size, and the digests of zeroes in it. */
struct digest_shape {
    enum digest_construction construction;
    uint64_t size, leaves;
    unsigned top;                      /* level of the top node */
    struct digest zero[DIGEST_LEVELS]; /* of a whole node of zeroes, by level */
    struct digest tail[DIGEST_LEVELS]; /* of the node with the last leaf, all zeroes */
    struct digest zero_block, tail_block;
};
int digest_shape_of(enum digest_construction construction, uint64_t size,
                    struct digest_shape *ret_shape);
/* The digest of a node that covers zeroes only. */
const struct digest *digest_of_zeroes(const struct digest_shape *shape, unsigned level,
                                      uint64_t index);
/* Bytes of leaf `index`, and its blocks; the last of either may be short. */
uint64_t digest_leaf_length(const struct digest_shape *shape, uint64_t index);
unsigned digest_leaf_blocks(const struct digest_shape *shape, uint64_t index);
/* Whether the node has a right half; without one it is its left half. Not of level 0. */
bool digest_has_right(const struct digest_shape *shape, unsigned level, uint64_t index);
/* The node's place in a tree image. */
uint64_t digest_slot(unsigned level, uint64_t index);

/* The digests of blocks whose bytes lie one behind the other; only the last may be short. Blank for
 * a block of zeroes. */
int digest_blocks(const uint8_t *bytes, size_t length, struct digest *ret_digests);
/* The digest of a leaf from those of its blocks, DIGEST_BLOCKS only; blank when all are. */
int digest_leaf_of_blocks(const struct digest_shape *shape, uint64_t index,
                          const struct digest *blocks, struct digest *ret_digest);
/* The digest of a leaf from its bytes; blank when all are zero. */
int digest_leaf(const struct digest_shape *shape, uint64_t index, const uint8_t *bytes,
                struct digest *ret_digest);
int digest_node(const struct digest *left, const struct digest *right, struct digest *ret_digest);
/* `top` is not looked at when the size is 0. */
int digest_root(const struct digest_shape *shape, const struct digest *top,
                struct digest *ret_digest);

/* The digest of a content of at most one leaf, DIGEST_FLAT, without its shape. */
int digest_small(const void *bytes, size_t length, struct digest *ret_digest);

/* Folds the leaves of a content, from the first to the last, to its digest. */
struct digest_fold {
    const struct digest_shape *shape;
    uint64_t done; /* leaves */
    unsigned count;
    struct {
        unsigned level;
        bool zero;
        struct digest digest;
    } stack[DIGEST_LEVELS + 1];
};
void digest_fold_begin(struct digest_fold *fold, const struct digest_shape *shape);
/* One leaf; blank: of zeroes. */
int digest_fold_leaf(struct digest_fold *fold, const struct digest *leaf);
/* Leaves of zeroes; costs the logarithm of their count. */
int digest_fold_zeroes(struct digest_fold *fold, uint64_t leaves);
/* All leaves are in. */
int digest_fold_end(struct digest_fold *fold, struct digest *ret_digest);

#endif
