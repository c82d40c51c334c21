#include "digest/digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/le.h"

/* What is hashed begins with one of these: nothing can pass for something else, and no digest of
 * one construction for that of the other. */
enum {
    PREFIX_LEAF = 0,
    PREFIX_NODE = 1,
    PREFIX_ROOT = 2,
    PREFIX_BLOCK = 3,
    PREFIX_LEAF_OF_BLOCKS = 4,
    PREFIX_ROOT_OF_BLOCKS = 5,
};

struct piece {
    const void *bytes;
    size_t length;
};

/* Looking the algorithm up takes as long as hashing some hundred bytes: it is done once. */
static const EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void find_sha256(void)
{
    EVP_MD *found = EVP_MD_fetch(NULL, "SHA2-256", NULL);

    sha256 = found != NULL ? found : EVP_sha256();
}

static EVP_MD_CTX *begin_hashing(void)
{
    (void)pthread_once(&sha256_once, find_sha256);
    return EVP_MD_CTX_new();
}

static bool hash_with(EVP_MD_CTX *state, uint8_t prefix, const struct piece *pieces, size_t count,
                      struct digest *ret_digest)
{
    bool good = state != NULL && EVP_DigestInit_ex(state, sha256, NULL) == 1 &&
                EVP_DigestUpdate(state, &prefix, 1) == 1;

    for (size_t i = 0; good && i < count; i++)
        good = EVP_DigestUpdate(state, pieces[i].bytes, pieces[i].length) == 1;
    return good && EVP_DigestFinal_ex(state, ret_digest->bytes, NULL) == 1;
}

static int hash(uint8_t prefix, const struct piece *pieces, size_t count, struct digest *ret_digest)
{
    EVP_MD_CTX *state = begin_hashing();
    bool good = hash_with(state, prefix, pieces, count, ret_digest);

    EVP_MD_CTX_free(state);
    return good ? 0 : varve_no_memory("a digest");
}

int digest_node(const struct digest *left, const struct digest *right, struct digest *ret_digest)
{
    const struct piece pieces[] = {{left->bytes, DIGEST_BYTES}, {right->bytes, DIGEST_BYTES}};

    return hash(PREFIX_NODE, pieces, 2, ret_digest);
}

int digest_root(const struct digest_shape *shape, const struct digest *top,
                struct digest *ret_digest)
{
    uint8_t bytes[8];
    const struct piece pieces[] = {{bytes, sizeof bytes}, {top->bytes, DIGEST_BYTES}};

    le64_store(bytes, shape->size);
    return hash(shape->construction == DIGEST_FLAT ? PREFIX_ROOT : PREFIX_ROOT_OF_BLOCKS, pieces,
                shape->size == 0 ? 1 : 2, ret_digest);
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

/* --- leaves ---------------------------------------------------------------------------------- */

uint64_t digest_leaf_length(const struct digest_shape *shape, uint64_t index)
{
    uint64_t left = shape->size - (index << DIGEST_LEAF_SHIFT);

    assert(index < shape->leaves);
    return left < DIGEST_LEAF ? left : DIGEST_LEAF;
}

unsigned digest_leaf_blocks(const struct digest_shape *shape, uint64_t index)
{
    return (unsigned)((digest_leaf_length(shape, index) + DIGEST_BLOCK - 1) >> DIGEST_BLOCK_SHIFT);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

int digest_blocks(const uint8_t *bytes, size_t length, struct digest *ret_digests)
{
    EVP_MD_CTX *state = begin_hashing();
    bool good = state != NULL;

    for (size_t at = 0; good && at < length; at += DIGEST_BLOCK, ret_digests++) {
        const size_t rest = length - at;
        const struct piece piece = {bytes + at, rest < DIGEST_BLOCK ? rest : DIGEST_BLOCK};

        if (all_zero(piece.bytes, piece.length))
            *ret_digests = (struct digest){{0}};
        else
            good = hash_with(state, PREFIX_BLOCK, &piece, 1, ret_digests);
    }
    EVP_MD_CTX_free(state);
    return good ? 0 : varve_no_memory("a digest");
}

int digest_leaf_of_blocks(const struct digest_shape *shape, uint64_t index,
                          const struct digest *blocks, struct digest *ret_digest)
{
    const unsigned count = digest_leaf_blocks(shape, index);
    const bool short_tail = index == shape->leaves - 1 && (shape->size & (DIGEST_BLOCK - 1)) != 0;
    struct digest whole[DIGEST_LEAF_BLOCKS];
    const struct piece piece = {whole, (size_t)count * DIGEST_BYTES};
    unsigned blank = 0;

    assert(shape->construction == DIGEST_BLOCKS);
    for (unsigned i = 0; i < count; i++) {
        const bool is_blank = digest_is_blank(&blocks[i]);

        blank += is_blank;
        whole[i] = !is_blank                      ? blocks[i]
                   : short_tail && i == count - 1 ? shape->tail_block
                                                  : shape->zero_block;
    }
    *ret_digest = (struct digest){{0}};
    return blank == count ? 0 : hash(PREFIX_LEAF_OF_BLOCKS, &piece, 1, ret_digest);
}

int digest_leaf(const struct digest_shape *shape, uint64_t index, const uint8_t *bytes,
                struct digest *ret_digest)
{
    const struct piece piece = {bytes, (size_t)digest_leaf_length(shape, index)};
    struct digest blocks[DIGEST_LEAF_BLOCKS];
    int r;

    *ret_digest = (struct digest){{0}};
    if (shape->construction == DIGEST_FLAT)
        return all_zero(bytes, piece.length) ? 0 : hash(PREFIX_LEAF, &piece, 1, ret_digest);
    r = digest_blocks(bytes, piece.length, blocks);
    return r == 0 ? digest_leaf_of_blocks(shape, index, blocks, ret_digest) : r;
}

int digest_small(const void *bytes, size_t length, struct digest *ret_digest)
{
    const struct digest_shape shape = {.construction = DIGEST_FLAT, .size = length};
    const struct piece piece = {bytes, length};
    struct digest leaf = {{0}};
    int r = length == 0 ? 0 : hash(PREFIX_LEAF, &piece, 1, &leaf);

    assert(length <= DIGEST_LEAF);
    return r == 0 ? digest_root(&shape, &leaf, ret_digest) : r;
}

/* --- shapes ---------------------------------------------------------------------------------- */

static int hash_flat_zeroes(struct digest_shape *shape)
{
    uint8_t *zeroes = calloc(1, DIGEST_LEAF);
    struct piece piece = {zeroes, DIGEST_LEAF};
    int r = zeroes == NULL ? varve_no_memory("a digest")
                           : hash(PREFIX_LEAF, &piece, 1, &shape->zero[0]);

    shape->tail[0] = shape->zero[0];
    piece.length = (size_t)(shape->size & (DIGEST_LEAF - 1));
    if (r == 0 && piece.length > 0)
        r = hash(PREFIX_LEAF, &piece, 1, &shape->tail[0]);
    free(zeroes);
    return r;
}

static int hash_blocks_of_zeroes(struct digest_shape *shape)
{
    static const uint8_t zeroes[DIGEST_BLOCK];
    struct digest blocks[DIGEST_LEAF_BLOCKS];
    struct piece block = {zeroes, DIGEST_BLOCK}, leaf = {blocks, sizeof blocks};
    unsigned count = 0;
    int r = hash(PREFIX_BLOCK, &block, 1, &shape->zero_block);

    block.length = (size_t)(shape->size & (DIGEST_BLOCK - 1));
    shape->tail_block = shape->zero_block;
    if (r == 0 && block.length > 0)
        r = hash(PREFIX_BLOCK, &block, 1, &shape->tail_block);
    for (unsigned i = 0; i < DIGEST_LEAF_BLOCKS; i++)
        blocks[i] = shape->zero_block;
    if (r == 0)
        r = hash(PREFIX_LEAF_OF_BLOCKS, &leaf, 1, &shape->zero[0]);
    if (r != 0 || shape->leaves == 0)
        return r;
    count = digest_leaf_blocks(shape, shape->leaves - 1);
    blocks[count - 1] = shape->tail_block;
    leaf.length = (size_t)count * DIGEST_BYTES;
    return hash(PREFIX_LEAF_OF_BLOCKS, &leaf, 1, &shape->tail[0]);
}

int digest_shape_of(enum digest_construction construction, uint64_t size,
                    struct digest_shape *ret_shape)
{
    struct digest_shape shape = {.construction = construction, .size = size};
    int r;

    shape.leaves = (size >> DIGEST_LEAF_SHIFT) + ((size & (DIGEST_LEAF - 1)) != 0);
    while ((uint64_t)1 << shape.top < shape.leaves)
        shape.top++;
    r = construction == DIGEST_FLAT ? hash_flat_zeroes(&shape) : hash_blocks_of_zeroes(&shape);
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
