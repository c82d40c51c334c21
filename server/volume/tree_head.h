/*
 * The head of a tree image, the first block of the image with a version's digests: "Tree image" of
 * digest/DIGEST.md. It names the digest, so that a version whose row is lost has it back. Pure.
 */
#ifndef VOLUME_TREE_HEAD_H
#define VOLUME_TREE_HEAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TREE_HEAD_SIZE = 4096,
    TREE_HEAD_DIGEST = 32, /* bytes of a digest */
    TREE_HEAD_CONSTRUCTIONS = 2,
};

struct tree_head {
    uint64_t construction; /* 1 to TREE_HEAD_CONSTRUCTIONS */
    uint64_t size;         /* of the content, in bytes */
    uint8_t digest[TREE_HEAD_DIGEST];
};

void tree_head_encode(const struct tree_head *head, uint8_t bytes[TREE_HEAD_SIZE]);
/* False for what is no such head, or of a construction that this version of varve does not know;
 * then nothing is set. */
bool tree_head_decode(const uint8_t bytes[TREE_HEAD_SIZE], struct tree_head *ret_head);

#endif
