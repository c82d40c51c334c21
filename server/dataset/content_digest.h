/*
 * The digest of an image's content, by way of its tree image: only blocks that may have changed are
 * read. For one thread.
 */
#ifndef DATASET_CONTENT_DIGEST_H
#define DATASET_CONTENT_DIGEST_H

#include "dataset/tree_image.h"

/* Digest of one leaf, blank when it is all zeroes. *ret_read: bytes were read, so it is no hole.
 * `buffer` has room for a leaf. */
int content_leaf(struct store *store, struct store_image *image, const struct digest_shape *shape,
                 uint64_t leaf, uint8_t *buffer, struct digest *ret_digest, bool *ret_read);
/* The first leaf from `leaf` on that is no hole, or the number of leaves. */
int content_next(struct store *store, struct store_image *image, const struct digest_shape *shape,
                 uint64_t leaf, uint64_t *ret_leaf);

struct content_cost {
    uint64_t hashed; /* leaves of which something was read */
    uint64_t reused; /* leaves taken over from the base */
};

/* `tree` is a copy of the tree of `base`, of the right size now and of the same construction
 * (DIGEST_BLOCKS); or all blank, without a base. Both
 * images are frozen. Fills in the tree and finishes it. Reports progress; -ECANCELED. */
int content_digest(struct store *store, struct store_image *image, struct store_image *base,
                   struct tree_image *tree, const struct digest_shape *shape,
                   struct digest *ret_digest, struct content_cost *ret_cost);

#endif
