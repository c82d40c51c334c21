#include "dataset/leaf_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/block.h"

_Static_assert(DIGEST_BLOCK == BLOCK_SIZE, "a block of the store has one digest");

enum {
    LEAVES_MAX = 128,
    BLOCKS_MAX = 1024, /* 4 MiB */
};

struct batch_leaf {
    uint64_t leaf;
    unsigned first, count;                 /* of batch->block: what is to be read */
    uint8_t blank[DIGEST_LEAF_BLOCKS / 8]; /* blocks that became holes */
    bool whole;
};

struct leaf_batch {
    struct leaf_source source;
    uint64_t hashed;
    unsigned leaves, blocks;
    struct batch_leaf leaf[LEAVES_MAX];
    uint64_t block[BLOCKS_MAX];
    struct digest digest[LEAVES_MAX][DIGEST_LEAF_BLOCKS];
    uint8_t bytes[BLOCKS_MAX][DIGEST_BLOCK];
};

int leaf_batch_new(const struct leaf_source *source, struct leaf_batch **ret_batch)
{
    struct leaf_batch *batch = malloc(sizeof *batch);

    assert(source->shape->construction == DIGEST_BLOCKS);
    if (batch == NULL)
        return varve_no_memory("a digest");
    batch->source = *source;
    batch->hashed = 0;
    batch->leaves = batch->blocks = 0;
    *ret_batch = batch;
    return 0;
}

void leaf_batch_free(struct leaf_batch *batch)
{
    free(batch);
}

uint64_t leaf_batch_hashed(const struct leaf_batch *batch)
{
    return batch->hashed;
}

/* --- what is to be read ---------------------------------------------------------------------- */

static void add_blocks(struct leaf_batch *batch, struct batch_leaf *leaf, uint64_t offset,
                       uint64_t length)
{
    const uint64_t end = (offset + length + BLOCK_SIZE - 1) >> BLOCK_SHIFT;

    for (uint64_t block = offset >> BLOCK_SHIFT; block < end; block++) {
        assert(batch->blocks < BLOCKS_MAX);
        batch->block[batch->blocks++] = block;
        leaf->count++;
    }
}

static void add_blank(struct batch_leaf *leaf, uint64_t offset, uint64_t length)
{
    const uint64_t end = (offset + length + BLOCK_SIZE - 1) >> BLOCK_SHIFT;

    for (uint64_t block = offset >> BLOCK_SHIFT; block < end; block++) {
        const unsigned i = (unsigned)(block % DIGEST_LEAF_BLOCKS);

        leaf->blank[i / 8] |= (uint8_t)(1U << i % 8);
    }
}

static int find_data(struct leaf_batch *batch, struct batch_leaf *leaf)
{
    const struct leaf_source *source = &batch->source;
    struct store_extent extents[DIGEST_LEAF_BLOCKS];
    int n =
        store_extents(source->store, source->image, digest_leaf_length(source->shape, leaf->leaf),
                      leaf->leaf << DIGEST_LEAF_SHIFT, extents, DIGEST_LEAF_BLOCKS);

    for (int i = 0; i < n; i++)
        if (!extents[i].hole)
            add_blocks(batch, leaf, extents[i].offset, extents[i].length);
    return n < 0 ? n : 0;
}

static int find_changes(struct leaf_batch *batch, struct batch_leaf *leaf)
{
    const struct leaf_source *source = &batch->source;
    struct store_difference differences[DIGEST_LEAF_BLOCKS];
    int n = store_compare(source->store, source->base, source->image,
                          digest_leaf_length(source->shape, leaf->leaf),
                          leaf->leaf << DIGEST_LEAF_SHIFT, differences, DIGEST_LEAF_BLOCKS);

    for (int i = 0; i < n; i++) {
        const struct store_difference *one = &differences[i];

        if (one->what == STORE_DIFF_DATA)
            add_blocks(batch, leaf, one->offset, one->length);
        else if (one->what == STORE_DIFF_HOLE)
            add_blank(leaf, one->offset, one->length);
    }
    return n < 0 ? n : 0;
}

/* --- the digests ----------------------------------------------------------------------------- */

/* Those that the tree begins with. */
static int read_digests(struct leaf_batch *batch)
{
    uint64_t leaves[LEAVES_MAX];

    if (batch->source.base == NULL) {
        memset(batch->digest, 0, batch->leaves * sizeof batch->digest[0]);
        return 0;
    }
    for (unsigned i = 0; i < batch->leaves; i++)
        leaves[i] = batch->leaf[i].leaf;
    return tree_image_read_blocks(batch->source.tree, leaves, batch->leaves, batch->digest[0]);
}

/* Neighbours that were read are hashed in one go. */
static int hash_blocks(struct leaf_batch *batch, const struct batch_leaf *leaf,
                       struct digest *digests, unsigned *halves)
{
    const uint64_t size = batch->source.shape->size;
    const uint64_t *block = batch->block + leaf->first;
    int r = 0;

    for (unsigned i = 0, end; r == 0 && i < leaf->count; i = end) {
        const unsigned place = (unsigned)(block[i] % DIGEST_LEAF_BLOCKS);
        uint64_t length;

        for (end = i + 1; end < leaf->count && block[end] == block[end - 1] + 1; end++)
            ;
        length = min_u64((uint64_t)(end - i) << BLOCK_SHIFT, size - (block[i] << BLOCK_SHIFT));
        r = digest_blocks(batch->bytes[leaf->first + i], (size_t)length, digests + place);
        *halves |= tree_image_halves(place, end - i);
    }
    return r;
}

static int do_leaf(struct leaf_batch *batch, const struct batch_leaf *leaf, struct digest *digests)
{
    const struct leaf_source *source = &batch->source;
    unsigned halves = leaf->whole ? TREE_IMAGE_BOTH_HALVES : 0;
    struct digest digest = {{0}};
    int r;

    if (leaf->whole)
        memset(digests, 0, DIGEST_LEAF_BLOCKS * sizeof *digests);
    for (unsigned i = 0; i < DIGEST_LEAF_BLOCKS; i++) {
        if ((leaf->blank[i / 8] >> i % 8 & 1) != 0) {
            digests[i] = (struct digest){{0}};
            halves |= tree_image_halves(i, 1);
        }
    }
    r = hash_blocks(batch, leaf, digests, &halves);
    if (r == 0)
        r = tree_image_write_blocks(source->tree, leaf->leaf, digests, halves);
    if (r == 0)
        r = digest_leaf_of_blocks(source->shape, leaf->leaf, digests, &digest);
    if (r == 0)
        r = tree_image_set(source->tree, 0, leaf->leaf, &digest);
    batch->hashed += leaf->count > 0;
    return r;
}

int leaf_batch_finish(struct leaf_batch *batch)
{
    const struct leaf_source *source = &batch->source;
    int r = read_digests(batch);

    if (r == 0)
        r = store_read_scattered(source->store, source->image, batch->block, batch->blocks,
                                 batch->bytes[0]);
    for (unsigned i = 0; r == 0 && i < batch->leaves; i++)
        r = do_leaf(batch, &batch->leaf[i], batch->digest[i]);
    batch->leaves = batch->blocks = 0;
    return r;
}

int leaf_batch_add(struct leaf_batch *batch, uint64_t leaf, bool whole)
{
    struct batch_leaf *next;
    int r = 0;

    if (batch->leaves == LEAVES_MAX || BLOCKS_MAX - batch->blocks < DIGEST_LEAF_BLOCKS)
        r = leaf_batch_finish(batch);
    if (r != 0)
        return r;
    whole = whole || batch->source.base == NULL;
    next = &batch->leaf[batch->leaves++];
    *next = (struct batch_leaf){.leaf = leaf, .first = batch->blocks, .whole = whole};
    return whole ? find_data(batch, next) : find_changes(batch, next);
}
