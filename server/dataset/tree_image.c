#include "dataset/tree_image.h"

#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/block.h"
#include "base/le.h"

enum {
    HEAD_BYTES = 4096,
    PAIR = 2 * DIGEST_BYTES, /* from one leaf's slot to the next one's */
    LINES = 64,              /* blocks in memory, each in the line of its number */
    VERSION = 1,
};
static const char magic[8] = {'V', 'A', 'R', 'V', 'T', 'R', 'E', 'E'};

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
    return HEAD_BYTES + 2 * shape->leaves * DIGEST_BYTES;
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
    uint64_t offset = HEAD_BYTES + slot * DIGEST_BYTES, block = offset >> BLOCK_SHIFT;
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
    uint64_t size = store_image_size(tree->store, tree->image);

    while (leaf < tree->shape->leaves) {
        uint64_t offset = HEAD_BYTES + digest_slot(0, leaf) * DIGEST_BYTES;
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
        leaf = (extent.offset + extent.length - HEAD_BYTES + PAIR - 1) / PAIR;
    }
    *ret_leaf = tree->shape->leaves;
    return 0;
}

int tree_image_finish(struct tree_image *tree, const struct digest *root)
{
    uint8_t head[HEAD_BYTES] = {0};
    int r = 0;

    for (size_t i = 0; r == 0 && i < LINES; i++)
        r = write_line(tree, &tree->lines[i]);
    memcpy(head, magic, sizeof magic);
    le64_store(head + 8, VERSION);
    le64_store(head + 16, tree->shape->size);
    memcpy(head + 24, root->bytes, DIGEST_BYTES);
    return r == 0 ? store_write(tree->store, tree->image, head, sizeof head, 0, 0) : r;
}

int tree_image_is_of(struct tree_image *tree, const char *digest, bool *ret_is)
{
    uint8_t head[HEAD_BYTES];
    struct digest root;
    char text[DIGEST_TEXT + 1];
    int r = 0;

    *ret_is = false;
    if (store_image_size(tree->store, tree->image) < tree_image_bytes(tree->shape))
        return 0;
    r = store_read(tree->store, tree->image, head, sizeof head, 0);
    if (r != 0)
        return r;
    memcpy(root.bytes, head + 24, DIGEST_BYTES);
    digest_print(&root, text);
    *ret_is = memcmp(head, magic, sizeof magic) == 0 && le64_load(head + 8) == VERSION &&
              le64_load(head + 16) == tree->shape->size && strcmp(text, digest) == 0;
    return 0;
}
