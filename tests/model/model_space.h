/*
 * Which blocks the images of the model share: a block of two images is the same one when it came to
 * both by a copy and neither was written since. Only of states that keep zeroes.
 */
#ifndef MODEL_MODEL_SPACE_H
#define MODEL_MODEL_SPACE_H

#include "model_state.h"

/* Bytes; whole blocks. */
uint64_t model_mapped(const struct model_image *image);
/* What only these images of the state refer to; one of them counts once. */
uint64_t model_alone(const struct model_state *state, const uint64_t *images, size_t count);
uint64_t model_shared(const struct model_image *a, const struct model_image *b);

/* The block with that number: is it there, is it the same one (or a hole) in both? Past the end is
 * a hole. */
bool model_has_block(const struct model_image *image, uint64_t block);
bool model_same_block(const struct model_image *a, const struct model_image *b, uint64_t block);

#endif
