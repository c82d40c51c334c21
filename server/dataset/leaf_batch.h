/*
 * The digests of leaves, in the order of the content, many of them at a time: what has to be read
 * for them are single blocks that lie anywhere, and a device takes these together far faster than
 * one by one. Only blocks that the base does not share are read; the digests of the others are
 * those of the base, which the tree begins with. For one thread.
 */
#ifndef DATASET_LEAF_BATCH_H
#define DATASET_LEAF_BATCH_H

#include "dataset/tree_image.h"

/* All stays the caller's. `base`: NULL, or the image whose tree `tree` is a copy of. The shape is
 * of DIGEST_BLOCKS. */
struct leaf_source {
    struct store *store;
    struct store_image *image, *base;
    struct tree_image *tree;
    const struct digest_shape *shape;
};

struct leaf_batch;

int leaf_batch_new(const struct leaf_source *source, struct leaf_batch **ret_batch);
void leaf_batch_free(struct leaf_batch *batch); /* takes NULL */

/* Leaves in rising order. `whole`: also blocks that the base shares are to be hashed. */
int leaf_batch_add(struct leaf_batch *batch, uint64_t leaf, bool whole);
/* Does what is pending: after it all digests are in the tree. */
int leaf_batch_finish(struct leaf_batch *batch);
/* Leaves of which at least one block was read. */
uint64_t leaf_batch_hashed(const struct leaf_batch *batch);

#endif
