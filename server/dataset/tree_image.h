/*
 * The digests of a version's leaves and nodes in an image of the store: "Tree image" of
 * digest/DIGEST.md. For one thread.
 */
#ifndef DATASET_TREE_IMAGE_H
#define DATASET_TREE_IMAGE_H

#include "digest/digest.h"
#include "store/store.h"

struct tree_image;

/* How the tree in an image was made; 0 when it is none that this version of varve knows. */
int tree_image_construction(struct store *store, uint64_t image,
                            enum digest_construction *ret_construction);
/* Bytes of the image of such a tree. */
uint64_t tree_image_bytes(const struct digest_shape *shape);

/* Gives a copy of another tree, of the same construction, the size for this one. */
int tree_image_resize(struct store *store, uint64_t image, const struct digest_shape *shape);

/* `shape` stays the caller's. */
int tree_image_open(struct store *store, uint64_t image, const struct digest_shape *shape,
                    struct tree_image **ret_tree);
void tree_image_close(struct tree_image *tree); /* takes NULL; what was not finished is lost */

/* What stands in the node's slot, or that of its left half where it has no right one: blank for
 * zeroes. */
int tree_image_get(struct tree_image *tree, unsigned level, uint64_t index,
                   struct digest *ret_digest);
/* The node has a right half, or is a leaf. */
int tree_image_set(struct tree_image *tree, unsigned level, uint64_t index,
                   const struct digest *digest);
/* The digests of the blocks of some leaves, in rising order: DIGEST_LEAF_BLOCKS for each, blank for
 * zeroes and past the end. DIGEST_BLOCKS only, and so is the next. */
int tree_image_read_blocks(struct tree_image *tree, const uint64_t *leaves, size_t count,
                           struct digest *ret_digests);
/* The first half of a leaf's blocks, the second, or both: what lies in one block of the store. */
enum { TREE_IMAGE_BOTH_HALVES = 3 };
unsigned tree_image_halves(unsigned first_block, unsigned count);
/* `digests` has all DIGEST_LEAF_BLOCKS; those of `halves` are written. */
int tree_image_write_blocks(struct tree_image *tree, uint64_t leaf, const struct digest *digests,
                            unsigned halves);
/* The first leaf from `leaf` on that may not be blank, or the number of leaves. */
int tree_image_next(struct tree_image *tree, uint64_t leaf, uint64_t *ret_leaf);

/* Writes what is pending, and the head. */
int tree_image_finish(struct tree_image *tree, const struct digest *root);
/* Whether the head is one, and of this content and digest. */
int tree_image_is_of(struct tree_image *tree, const char *digest, bool *ret_is);

#endif
