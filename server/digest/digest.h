/*
 * The digest of a content, as DIGEST.md has it: SHA-256 over a tree of leaves of 1 MiB. Pure
 * functions; the only folder that includes openssl.
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
    DIGEST_LEVELS = 45, /* 2^44 leaves cover all of 64 bits */
};

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

int digest_leaf(const void *bytes, size_t length, struct digest *ret_digest);
int digest_node(const struct digest *left, const struct digest *right, struct digest *ret_digest);
/* `top` is not looked at when size is 0. */
int digest_root(uint64_t size, const struct digest *top, struct digest *ret_digest);

void digest_print(const struct digest *digest, char text[DIGEST_TEXT + 1]);
bool digest_equal(const struct digest *a, const struct digest *b);
/* All 32 bytes are zero: what stands in a tree image for content of zeroes. */
bool digest_is_blank(const struct digest *digest);

/* The form of the tree of a content of some size, and the digests of zeroes in it. */
struct digest_shape {
    uint64_t size, leaves;
    unsigned top;                      /* level of the top node */
    struct digest zero[DIGEST_LEVELS]; /* of a whole node of zeroes, by level */
    struct digest tail[DIGEST_LEVELS]; /* of the node with the last leaf, all zeroes */
};
int digest_shape_of(uint64_t size, struct digest_shape *ret_shape);
/* The digest of a node that covers zeroes only. */
const struct digest *digest_of_zeroes(const struct digest_shape *shape, unsigned level,
                                      uint64_t index);
/* Bytes of leaf `index`. */
uint64_t digest_leaf_length(const struct digest_shape *shape, uint64_t index);
/* Whether the node has a right half; without one it is its left half. Not of level 0. */
bool digest_has_right(const struct digest_shape *shape, unsigned level, uint64_t index);
/* The node's place in a tree image. */
uint64_t digest_slot(unsigned level, uint64_t index);

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
int digest_fold_leaf(struct digest_fold *fold, const struct digest *leaf);
/* Leaves of zeroes; costs the logarithm of their count. */
int digest_fold_zeroes(struct digest_fold *fold, uint64_t leaves);
/* All leaves are in. */
int digest_fold_end(struct digest_fold *fold, struct digest *ret_digest);

#endif
