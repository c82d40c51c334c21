#include "dataset/tree_image.h"

#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/block.h"
#include "volume/tree_head.h"

enum {
    HEAD_BYTES = TREE_HEAD_SIZE,
    PAIR = 2 * DIGEST_BYTES, /* from one leaf's slot to the next one's */
    LINES = 64,              /* blocks in memory, each in the line of its number */
    /* With digests of blocks: a block of slots, then those of the leaves in it. */
    GROUP_SLOTS = BLOCK_SIZE / DIGEST_BYTES,
    GROUP_LEAVES = GROUP_SLOTS / 2,
    LEAF_BLOCKS = DIGEST_LEAF_BLOCKS / GROUP_SLOTS, /* blocks that hold the digests of a leaf's */
    GROUP_BLOCKS = 1 + GROUP_LEAVES * LEAF_BLOCKS,
};
_Static_assert(LEAF_BLOCKS == 2, "halves of a leaf");
_Static_assert((int)DIGEST_BYTES == (int)TREE_HEAD_DIGEST, "a head holds a digest");
_Static_assert((int)DIGEST_BLOCKS == (int)TREE_HEAD_CONSTRUCTIONS, "and knows the last of these");

struct line {
    bool used, changed;
    uint64_t block;
    uint8_t bytes[BLOCK_SIZE];
};

struct tree_image {
    struct store *store;
    struct store_image *image;
    const struct digest_shape *shape;
    struct line lines[LINES];
};

uint64_t tree_image_bytes(const struct digest_shape *shape)
{
    const uint64_t groups = shape->leaves / GROUP_LEAVES, rest = shape->leaves % GROUP_LEAVES;
    const uint64_t last = rest > 0 ? 1 + rest * LEAF_BLOCKS : 0;

    if (shape->construction == DIGEST_FLAT)
        return HEAD_BYTES + 2 * shape->leaves * DIGEST_BYTES;
    return HEAD_BYTES + ((groups * GROUP_BLOCKS + last) << BLOCK_SHIFT);
}

static uint64_t offset_of_slot(const struct digest_shape *shape, uint64_t slot)
{
    if (shape->construction == DIGEST_FLAT)
        return HEAD_BYTES + slot * DIGEST_BYTES;
    return HEAD_BYTES + (slot / GROUP_SLOTS * GROUP_BLOCKS << BLOCK_SHIFT) +
           slot % GROUP_SLOTS * DIGEST_BYTES;
}

/* What a larger content left in the last group would be taken for digests when the content grows
 * again. */
static int clear_slots(struct store *store, uint64_t image, const struct digest_shape *shape)
{
    const uint64_t first = 2 * shape->leaves, rest = (GROUP_SLOTS - first % GROUP_SLOTS);
    struct store_image *opened = NULL;
    int r;

    if (first % GROUP_SLOTS == 0)
        return 0;
    r = store_image_open(store, image, &opened);
    if (r == 0)
        r = store_zero(store, opened, rest * DIGEST_BYTES, offset_of_slot(shape, first), 0);
    store_image_close(store, opened);
    return r;
}

int tree_image_resize(struct store *store, uint64_t image, const struct digest_shape *shape)
{
    const uint64_t size = tree_image_bytes(shape);
    struct store_image_info info;
    int r = store_image_stat(store, image, &info);

    if (r != 0 || info.size == size)
        return r;
    if (size < info.size && shape->construction == DIGEST_BLOCKS)
        r = clear_slots(store, image, shape);
    return r == 0 ? store_image_resize(store, image, size) : r;
}

/* The first of the blocks that hold the digests of a leaf's blocks. */
static uint64_t block_of_leaf(uint64_t leaf)
{
    return HEAD_BYTES / BLOCK_SIZE + leaf / GROUP_LEAVES * GROUP_BLOCKS + 1 +
           leaf % GROUP_LEAVES * LEAF_BLOCKS;
}

int tree_image_open(struct store *store, uint64_t image, const struct digest_shape *shape,
                    struct tree_image **ret_tree)
{
    struct tree_image *tree = calloc(1, sizeof *tree);
    int r = tree == NULL ? varve_no_memory("a list of digests")
                         : store_image_open(store, image, &tree->image);

    if (r != 0) {
        free(tree);
        return r;
    }
    tree->store = store;
    tree->shape = shape;
    *ret_tree = tree;
    return 0;
}

void tree_image_close(struct tree_image *tree)
{
    if (tree == NULL)
        return;
    store_image_close(tree->store, tree->image);
    free(tree);
}

/* Bytes of the block that the image has; the last may be short. */
static size_t block_length(struct tree_image *tree, uint64_t block)
{
    uint64_t size = store_image_size(tree->store, tree->image), at = block << BLOCK_SHIFT;

    return (size_t)(at >= size ? 0 : min_u64(BLOCK_SIZE, size - at));
}

static int write_line(struct tree_image *tree, struct line *line)
{
    static const uint8_t zeroes[BLOCK_SIZE];
    size_t length = block_length(tree, line->block);
    uint64_t at = line->block << BLOCK_SHIFT;
    int r = 0;

    if (!line->used || !line->changed || length == 0)
        return 0;
    if (memcmp(line->bytes, zeroes, length) == 0)
        r = store_zero(tree->store, tree->image, length, at, 0);
    else
        r = store_write(tree->store, tree->image, line->bytes, length, at, 0);
    line->changed = line->changed && r != 0;
    return r;
}

/* The line that holds the slot, and where in it. */
static int fetch(struct tree_image *tree, uint64_t slot, struct line **ret_line, size_t *ret_at)
{
    uint64_t offset = offset_of_slot(tree->shape, slot), block = offset >> BLOCK_SHIFT;
    struct line *line = &tree->lines[block % LINES];
    size_t length = block_length(tree, block);
    int r = 0;

    if (!line->used || line->block != block) {
        r = write_line(tree, line);
        line->used = false;
        memset(line->bytes, 0, sizeof line->bytes);
        if (r == 0 && length > 0)
            r = store_read(tree->store, tree->image, line->bytes, length, block << BLOCK_SHIFT);
        if (r != 0)
            return r;
        line->used = true;
        line->changed = false;
        line->block = block;
    }
    *ret_line = line;
    *ret_at = offset & (BLOCK_SIZE - 1);
    return 0;
}

int tree_image_get(struct tree_image *tree, unsigned level, uint64_t index,
                   struct digest *ret_digest)
{
    struct line *line = NULL;
    size_t at = 0;
    int r;

    while (level > 0 && !digest_has_right(tree->shape, level, index)) {
        level--;
        index *= 2;
    }
    r = fetch(tree, digest_slot(level, index), &line, &at);
    if (r == 0)
        memcpy(ret_digest->bytes, line->bytes + at, DIGEST_BYTES);
    return r;
}

int tree_image_set(struct tree_image *tree, unsigned level, uint64_t index,
                   const struct digest *digest)
{
    struct line *line = NULL;
    size_t at = 0;
    int r = fetch(tree, digest_slot(level, index), &line, &at);

    if (r == 0 && memcmp(line->bytes + at, digest->bytes, DIGEST_BYTES) != 0) {
        memcpy(line->bytes + at, digest->bytes, DIGEST_BYTES);
        line->changed = true;
    }
    return r;
}

int tree_image_next(struct tree_image *tree, uint64_t leaf, uint64_t *ret_leaf)
{
    const bool flat = tree->shape->construction == DIGEST_FLAT;
    const uint64_t step = flat ? PAIR : GROUP_BLOCKS * BLOCK_SIZE;
    uint64_t size = store_image_size(tree->store, tree->image);

    while (leaf < tree->shape->leaves) {
        uint64_t offset = offset_of_slot(tree->shape, digest_slot(0, leaf));
        struct store_extent extent;
        int r = offset >= size
                    ? 0
                    : store_extents(tree->store, tree->image, size - offset, offset, &extent, 1);

        if (r < 0)
            return r;
        if (r == 0)
            break; /* shorter than it should be: the rest is as good as blank */
        if (!extent.hole) {
            *ret_leaf = leaf;
            return 0;
        }
        /* To the first leaf whose slot begins behind the hole. */
        leaf = (extent.offset + extent.length - HEAD_BYTES + step - 1) / step *
               (flat ? 1 : GROUP_LEAVES);
    }
    *ret_leaf = tree->shape->leaves;
    return 0;
}

/* --- digests of blocks ----------------------------------------------------------------------- */

int tree_image_read_blocks(struct tree_image *tree, const uint64_t *leaves, size_t count,
                           struct digest *ret_digests)
{
    enum { SOME = 64 };
    uint64_t blocks[SOME * LEAF_BLOCKS];
    int r = 0;

    for (size_t at = 0; r == 0 && at < count; at += SOME) {
        const size_t some = count - at < SOME ? count - at : SOME;

        for (size_t i = 0; i < some; i++)
            for (uint64_t half = 0; half < LEAF_BLOCKS; half++)
                blocks[i * LEAF_BLOCKS + half] = block_of_leaf(leaves[at + i]) + half;
        r = store_read_scattered(tree->store, tree->image, blocks, some * LEAF_BLOCKS,
                                 ret_digests[at * DIGEST_LEAF_BLOCKS].bytes);
    }
    return r;
}

unsigned tree_image_halves(unsigned first_block, unsigned count)
{
    const unsigned first = first_block / GROUP_SLOTS;
    const unsigned last = (first_block + count - 1) / GROUP_SLOTS;

    return 1U << first | 1U << last;
}

int tree_image_write_blocks(struct tree_image *tree, uint64_t leaf, const struct digest *digests,
                            unsigned halves)
{
    static const uint8_t zeroes[BLOCK_SIZE];
    int r = 0;

    for (unsigned half = 0; r == 0 && half < LEAF_BLOCKS; half++) {
        const uint8_t *bytes = digests[(size_t)half * GROUP_SLOTS].bytes;
        const uint64_t at = (block_of_leaf(leaf) + half) << BLOCK_SHIFT;

        if ((halves >> half & 1) == 0)
            continue;
        if (memcmp(bytes, zeroes, BLOCK_SIZE) == 0)
            r = store_zero(tree->store, tree->image, BLOCK_SIZE, at, 0);
        else
            r = store_write(tree->store, tree->image, bytes, BLOCK_SIZE, at, 0);
    }
    return r;
}

/* --- the head -------------------------------------------------------------------------------- */

static int read_head(struct store *store, struct store_image *image, struct tree_head *ret_head,
                     bool *ret_is)
{
    uint8_t bytes[TREE_HEAD_SIZE];
    int r = 0;

    *ret_is = false;
    if (store_image_size(store, image) < sizeof bytes)
        return 0;
    r = store_read(store, image, bytes, sizeof bytes, 0);
    if (r == 0)
        *ret_is = tree_head_decode(bytes, ret_head);
    return r;
}

int tree_image_construction(struct store *store, uint64_t image,
                            enum digest_construction *ret_construction)
{
    struct store_image *opened = NULL;
    struct tree_head head;
    bool is = false;
    int r = store_image_open(store, image, &opened);

    *ret_construction = 0;
    if (r != 0)
        return r;
    r = read_head(store, opened, &head, &is);
    store_image_close(store, opened);
    if (r == 0 && is)
        *ret_construction = (enum digest_construction)head.construction;
    return r;
}

int tree_image_finish(struct tree_image *tree, const struct digest *root)
{
    struct tree_head head = {.construction = tree->shape->construction, .size = tree->shape->size};
    uint8_t bytes[TREE_HEAD_SIZE];
    int r = 0;

    for (size_t i = 0; r == 0 && i < LINES; i++)
        r = write_line(tree, &tree->lines[i]);
    memcpy(head.digest, root->bytes, DIGEST_BYTES);
    tree_head_encode(&head, bytes);
    return r == 0 ? store_write(tree->store, tree->image, bytes, sizeof bytes, 0, 0) : r;
}

int tree_image_is_of(struct tree_image *tree, const char *digest, bool *ret_is)
{
    struct tree_head head = {.size = 0};
    struct digest root;
    char text[DIGEST_TEXT + 1];
    bool is = false;
    int r = 0;

    *ret_is = false;
    if (store_image_size(tree->store, tree->image) < tree_image_bytes(tree->shape))
        return 0;
    r = read_head(tree->store, tree->image, &head, &is);
    if (r != 0 || !is)
        return r;
    memcpy(root.bytes, head.digest, DIGEST_BYTES);
    digest_print(&root, text);
    *ret_is = head.construction == tree->shape->construction && head.size == tree->shape->size &&
              strcmp(text, digest) == 0;
    return 0;
}
