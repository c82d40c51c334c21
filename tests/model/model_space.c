#include "model_space.h"

static uint64_t blocks_of(const struct model_image *image)
{
    return (image->size + SIM_PAGE - 1) / SIM_PAGE;
}

bool model_has_block(const struct model_image *image, uint64_t block)
{
    return page_tree_get(&image->content, block) != NULL;
}

bool model_same_block(const struct model_image *a, const struct model_image *b, uint64_t block)
{
    return page_tree_get(&a->content, block) == page_tree_get(&b->content, block);
}

uint64_t model_mapped(const struct model_image *image)
{
    uint64_t mapped = 0;

    for (uint64_t block = 0; block < blocks_of(image); block++)
        mapped += model_has_block(image, block) ? SIM_PAGE : 0;
    return mapped;
}

uint64_t model_shared(const struct model_image *a, const struct model_image *b)
{
    uint64_t shared = 0;

    for (uint64_t block = 0; block < blocks_of(a); block++)
        shared += model_has_block(a, block) && model_same_block(a, b, block) ? SIM_PAGE : 0;
    return shared;
}

static bool is_one_of(uint64_t number, const uint64_t *images, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (images[i] == number)
            return true;
    return false;
}

/* Does another image have it: one that is none of these, or one of these that comes before? */
static bool is_elsewhere(const struct model_state *state, const struct model_image *image,
                         uint64_t block, const uint64_t *images, size_t count)
{
    for (size_t i = 0; i < state->count; i++) {
        const struct model_image *other = &state->images[i];

        if (other != image && model_same_block(image, other, block) &&
            (other < image || !is_one_of(other->number, images, count)))
            return true;
    }
    return false;
}

uint64_t model_alone(const struct model_state *state, const uint64_t *images, size_t count)
{
    uint64_t alone = 0;

    for (size_t i = 0; i < state->count; i++) {
        const struct model_image *image = &state->images[i];

        if (!is_one_of(image->number, images, count))
            continue;
        for (uint64_t block = 0; block < blocks_of(image); block++)
            alone +=
                model_has_block(image, block) && !is_elsewhere(state, image, block, images, count)
                    ? SIM_PAGE
                    : 0;
    }
    return alone;
}
