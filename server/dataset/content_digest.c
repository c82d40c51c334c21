#include "dataset/content_digest.h"

#include <stdlib.h>
#include <string.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "dataset/leaf_batch.h"
#include "volume/rows.h"

/* Leaves that may differ from what the tree says, in order, apart. */
struct leaf_run {
    uint64_t first, end;
};

struct work {
    struct store *store;
    struct store_image *image;
    struct tree_image *tree;
    const struct digest_shape *shape;
    uint64_t edge;
    struct rows runs;
    size_t at; /* the first run that is not behind us */
    uint64_t todo;
    struct content_cost cost;
};

/* --- leaves ---------------------------------------------------------------------------------- */

int content_next(struct store *store, struct store_image *image, const struct digest_shape *shape,
                 uint64_t leaf, uint64_t *ret_leaf)
{
    uint64_t offset = leaf << DIGEST_LEAF_SHIFT;

    while (offset < shape->size) {
        struct store_extent extent;
        int r = store_extents(store, image, shape->size - offset, offset, &extent, 1);

        if (r < 0)
            return r;
        if (!extent.hole)
            break;
        offset = extent.offset + extent.length;
    }
    *ret_leaf = offset >= shape->size ? shape->leaves : offset >> DIGEST_LEAF_SHIFT;
    return 0;
}

int content_leaf(struct store *store, struct store_image *image, const struct digest_shape *shape,
                 uint64_t leaf, uint8_t *buffer, struct digest *ret_digest, bool *ret_read)
{
    size_t length = (size_t)digest_leaf_length(shape, leaf);
    uint64_t next = 0;
    int r = content_next(store, image, shape, leaf, &next);

    *ret_read = r == 0 && next == leaf;
    *ret_digest = (struct digest){{0}};
    if (!*ret_read)
        return r;
    r = store_read(store, image, buffer, length, leaf << DIGEST_LEAF_SHIFT);
    return r == 0 ? digest_leaf(shape, leaf, buffer, ret_digest) : r;
}

/* --- what may have changed ------------------------------------------------------------------- */

static int add_run(struct work *work, uint64_t first, uint64_t end)
{
    struct leaf_run run = {first, end < work->shape->leaves ? end : work->shape->leaves};

    if (run.first >= run.end)
        return 0;
    if (work->runs.count > 0) {
        struct leaf_run *last = rows_at(&work->runs, work->runs.count - 1);

        if (run.first <= last->end) {
            last->end = last->end > run.end ? last->end : run.end;
            return 0;
        }
    }
    return rows_add(&work->runs, &run);
}

static int add_bytes(struct work *work, uint64_t offset, uint64_t length)
{
    return add_run(work, offset >> DIGEST_LEAF_SHIFT,
                   ((offset + length - 1) >> DIGEST_LEAF_SHIFT) + 1);
}

static int find_data(struct work *work)
{
    enum { EXTENTS = 64 };
    struct store_extent extents[EXTENTS];
    uint64_t offset = 0;

    while (offset < work->shape->size) {
        int n = store_extents(work->store, work->image, work->shape->size - offset, offset, extents,
                              EXTENTS);
        int r = n < 0 ? n : 0;

        for (int i = 0; r == 0 && i < n; i++)
            if (!extents[i].hole)
                r = add_bytes(work, extents[i].offset, extents[i].length);
        if (r != 0)
            return r;
        offset = extents[n - 1].offset + extents[n - 1].length;
    }
    return 0;
}

/* When the sizes differ, the last leaf of the smaller content has another length, or the nodes
 * above it have other halves: it is done again, and with it all that is above. `edge` is that leaf,
 * or past the end. */
static int find_changes(struct work *work, struct store_image *base)
{
    enum { DIFFERENCES = 64 };
    struct store_difference differences[DIFFERENCES];
    uint64_t base_size = store_image_size(work->store, base), size = work->shape->size, offset = 0;
    uint64_t smaller = base_size < size ? base_size : size;
    const uint64_t edge =
        smaller == 0 || base_size == size ? UINT64_MAX : (smaller - 1) >> DIGEST_LEAF_SHIFT;

    work->edge = edge;
    while (offset < size) {
        int n = store_compare(work->store, base, work->image, size - offset, offset, differences,
                              DIFFERENCES);
        int r = n < 0 ? n : 0;

        for (int i = 0; r == 0 && i < n; i++) {
            const struct store_difference *one = &differences[i];
            uint64_t first = one->offset >> DIGEST_LEAF_SHIFT;
            uint64_t end = (one->offset + one->length - 1) >> DIGEST_LEAF_SHIFT;

            if (one->what != STORE_SAME)
                r = add_run(work, first, end + 1);
            else if (edge >= first && edge <= end)
                r = add_run(work, edge, edge + 1);
        }
        if (r != 0)
            return r;
        offset = differences[n - 1].offset + differences[n - 1].length;
    }
    return 0;
}

static void count_work(struct work *work)
{
    for (size_t i = 0; i < work->runs.count; i++) {
        const struct leaf_run *run = rows_at(&work->runs, i);

        work->todo += run->end - run->first;
    }
}

static int do_leaves(struct work *work, struct store_image *base)
{
    const struct leaf_source source = {.store = work->store,
                                       .image = work->image,
                                       .base = base,
                                       .tree = work->tree,
                                       .shape = work->shape};
    struct leaf_batch *batch = NULL;
    uint64_t done = 0;
    int r = leaf_batch_new(&source, &batch);

    for (size_t i = 0; r == 0 && i < work->runs.count; i++) {
        const struct leaf_run *run = rows_at(&work->runs, i);

        for (uint64_t leaf = run->first; r == 0 && leaf < run->end; leaf++, done++) {
            r = varve_progress("digest", "bytes", done << DIGEST_LEAF_SHIFT,
                               work->todo << DIGEST_LEAF_SHIFT);
            if (r == 0)
                r = leaf_batch_add(batch, leaf, leaf == work->edge);
        }
    }
    if (r == 0)
        r = leaf_batch_finish(batch);
    if (r == 0)
        work->cost.hashed = leaf_batch_hashed(batch);
    leaf_batch_free(batch);
    return r;
}

/* --- the tree -------------------------------------------------------------------------------- */

/* Leaves are asked for from the left to the right. */
static bool is_touched(struct work *work, uint64_t first, uint64_t end)
{
    while (work->at < work->runs.count) {
        const struct leaf_run *run = rows_at(&work->runs, work->at);

        if (run->end > first)
            return run->first < end;
        work->at++;
    }
    return false;
}

/* The digest to hash with, of a node that may be blank. */
static const struct digest *whole(const struct work *work, unsigned level, uint64_t index,
                                  const struct digest *digest)
{
    return digest_is_blank(digest) ? digest_of_zeroes(work->shape, level, index) : digest;
}

static int join(struct work *work, unsigned level, uint64_t index, const struct digest *left,
                const struct digest *right, struct digest *ret_digest)
{
    int r = 0;

    if (digest_is_blank(left) && digest_is_blank(right))
        *ret_digest = (struct digest){{0}};
    else
        r = digest_node(whole(work, level - 1, 2 * index, left),
                        whole(work, level - 1, 2 * index + 1, right), ret_digest);
    return r == 0 ? tree_image_set(work->tree, level, index, ret_digest) : r;
}

/* As deep as the tree, at most DIGEST_LEVELS. */
static int do_node(struct work *work, unsigned level, uint64_t index, struct digest *ret_digest)
{
    struct digest left = {{0}}, right = {{0}};
    uint64_t first = index << level;
    int r;

    if (level == 0 || !is_touched(work, first, first + ((uint64_t)1 << level)))
        return tree_image_get(work->tree, level, index, ret_digest);
    if (!digest_has_right(work->shape, level, index))
        return do_node(work, level - 1, 2 * index, ret_digest);
    r = do_node(work, level - 1, 2 * index, &left);
    if (r == 0)
        r = do_node(work, level - 1, 2 * index + 1, &right);
    return r == 0 ? join(work, level, index, &left, &right, ret_digest) : r;
}

int content_digest(struct store *store, struct store_image *image, struct store_image *base,
                   struct tree_image *tree, const struct digest_shape *shape,
                   struct digest *ret_digest, struct content_cost *ret_cost)
{
    struct work work = {.store = store,
                        .image = image,
                        .tree = tree,
                        .shape = shape,
                        .edge = UINT64_MAX,
                        .runs = {.size = sizeof(struct leaf_run)}};
    struct digest top = {{0}}, root = {{0}};
    int r = base != NULL ? find_changes(&work, base) : find_data(&work);

    count_work(&work);
    if (r == 0)
        r = do_leaves(&work, base);
    if (r == 0 && shape->leaves > 0)
        r = do_node(&work, shape->top, 0, &top);
    if (r == 0)
        r = digest_root(shape, whole(&work, shape->top, 0, &top), &root);
    if (r == 0)
        r = tree_image_finish(tree, &root);
    free(work.runs.rows);
    if (r != 0)
        return r;
    work.cost.reused = base != NULL ? shape->leaves - work.todo : 0;
    *ret_digest = root;
    *ret_cost = work.cost;
    return 0;
}
