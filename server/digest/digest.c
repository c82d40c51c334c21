#include "digest/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/le.h"

enum { PREFIX_LEAF = 0, PREFIX_NODE = 1, PREFIX_ROOT = 2 };

struct piece {
    const void *bytes;
    size_t length;
};

static int hash(uint8_t prefix, const struct piece *pieces, size_t count, struct digest *ret_digest)
{
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    bool good = state != NULL && EVP_DigestInit_ex(state, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(state, &prefix, 1) == 1;

    for (size_t i = 0; good && i < count; i++)
        good = EVP_DigestUpdate(state, pieces[i].bytes, pieces[i].length) == 1;
    good = good && EVP_DigestFinal_ex(state, ret_digest->bytes, NULL) == 1;
    EVP_MD_CTX_free(state);
    return good ? 0 : varve_no_memory("a digest");
}

int digest_leaf(const void *bytes, size_t length, struct digest *ret_digest)
{
    const struct piece piece = {bytes, length};

    return hash(PREFIX_LEAF, &piece, 1, ret_digest);
}

int digest_node(const struct digest *left, const struct digest *right, struct digest *ret_digest)
{
    const struct piece pieces[] = {{left->bytes, DIGEST_BYTES}, {right->bytes, DIGEST_BYTES}};

    return hash(PREFIX_NODE, pieces, 2, ret_digest);
}

int digest_root(uint64_t size, const struct digest *top, struct digest *ret_digest)
{
    uint8_t bytes[8];
    const struct piece pieces[] = {{bytes, sizeof bytes}, {top->bytes, DIGEST_BYTES}};

    le64_store(bytes, size);
    return hash(PREFIX_ROOT, pieces, size == 0 ? 1 : 2, ret_digest);
}

void digest_print(const struct digest *digest, char text[DIGEST_TEXT + 1])
{
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest->bytes[i]);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

bool digest_is_blank(const struct digest *digest)
{
    static const struct digest blank;

    return digest_equal(digest, &blank);
}

uint64_t digest_leaf_length(const struct digest_shape *shape, uint64_t index)
{
    uint64_t left = shape->size - (index << DIGEST_LEAF_SHIFT);

    assert(index < shape->leaves);
    return left < DIGEST_LEAF ? left : DIGEST_LEAF;
}

static int hash_zero_leaves(struct digest_shape *shape)
{
    uint8_t *zeroes = calloc(1, DIGEST_LEAF);
    int r = zeroes == NULL ? varve_no_memory("a digest")
                           : digest_leaf(zeroes, DIGEST_LEAF, &shape->zero[0]);

    if (r == 0 && shape->leaves > 0)
        r = digest_leaf(zeroes, digest_leaf_length(shape, shape->leaves - 1), &shape->tail[0]);
    free(zeroes);
    return r;
}

int digest_shape_of(uint64_t size, struct digest_shape *ret_shape)
{
    struct digest_shape shape = {.size = size};
    int r;

    shape.leaves = (size >> DIGEST_LEAF_SHIFT) + ((size & (DIGEST_LEAF - 1)) != 0);
    while ((uint64_t)1 << shape.top < shape.leaves)
        shape.top++;
    r = hash_zero_leaves(&shape);
    for (unsigned level = 0; r == 0 && level < shape.top; level++) {
        r = digest_node(&shape.zero[level], &shape.zero[level], &shape.zero[level + 1]);
        if (r == 0 && ((shape.leaves - 1) >> level & 1) != 0)
            r = digest_node(&shape.zero[level], &shape.tail[level], &shape.tail[level + 1]);
        else
            shape.tail[level + 1] = shape.tail[level];
    }
    if (r == 0)
        *ret_shape = shape;
    return r;
}

const struct digest *digest_of_zeroes(const struct digest_shape *shape, unsigned level,
                                      uint64_t index)
{
    return index == (shape->leaves - 1) >> level ? &shape->tail[level] : &shape->zero[level];
}

bool digest_has_right(const struct digest_shape *shape, unsigned level, uint64_t index)
{
    return (2 * index + 1) << (level - 1) < shape->leaves;
}

uint64_t digest_slot(unsigned level, uint64_t index)
{
    return ((2 * index + 1) << level) - 1;
}
