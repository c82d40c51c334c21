/*
 * The specification that the store is compared with: images as flat arrays of blocks, and a copy is
 * a snapshot. (The arrays share what is equal, so that keeping the state after every change costs
 * little.)
 */
#ifndef MODEL_MODEL_STATE_H
#define MODEL_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "page_tree.h"

struct store;
struct chance;

enum { MODEL_IMAGES_MAX = 24, MODEL_IMAGE_BYTES_MAX = 4 << 20 };

/* The number of an image whose creation was not answered: any number that was not there. */
#define MODEL_NUMBER_UNKNOWN UINT64_MAX

struct model_image {
    uint64_t number, size;
    bool frozen;
    struct page_tree content; /* pages of zeroes are absent, or holes alone: keeps_zeroes */
};

/* Images in the order of their numbers. */
struct model_state {
    struct model_image images[MODEL_IMAGES_MAX];
    size_t count;
    bool keeps_zeroes; /* what was written is there, also where it is zeroes */
};

void model_state_copy(const struct model_state *from, struct model_state *to);
void model_state_drop(struct model_state *state);

/* NULL when there is none. */
struct model_image *model_find(struct model_state *state, uint64_t number);

/* The changes. The caller sees to it that they are legal and that there is room. */
void model_write(struct model_state *state, uint64_t image, uint64_t offset, const void *bytes,
                 size_t length);
void model_zero(struct model_state *state, uint64_t image, uint64_t offset, uint64_t length);
void model_create(struct model_state *state, uint64_t image, uint64_t size);
void model_clone(struct model_state *state, uint64_t image, uint64_t source, bool frozen);
void model_delete(struct model_state *state, uint64_t image);
void model_resize(struct model_state *state, uint64_t image, uint64_t size);
void model_rollback(struct model_state *state, uint64_t image, uint64_t source);
void model_freeze(struct model_state *state, uint64_t image);

/* Copies `length` bytes out, which lie in the image. */
void model_read(const struct model_image *image, uint64_t offset, void *buffer, size_t length);

/* Reads everything that a store holds. With chance some images are read by what store_extents says
 * holds data. 0 or -errno, with a line in varve_error(). */
int model_state_read(struct store *store, struct chance *chance, struct model_state *ret_state);

/* Is the state `found` this one? With `next` each block may also be as it is there; their images
 * and sizes are the same then. On a mismatch `why` (NULL: not wanted) gets one line. */
bool model_state_is(const struct model_state *found, const struct model_state *wanted,
                    const struct model_state *next, char *why, size_t size);

/* The same number for the same images with the same content. */
uint64_t model_state_fingerprint(const struct model_state *state);

#endif
