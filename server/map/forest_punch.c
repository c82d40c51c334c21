/* Making holes: refs of a leaf one by one, whole subtrees by moving them to the trash. */
#include <assert.h>

#include "map/forest.h"

static int punch_leaf(struct forest *forest, const struct tree *tree, uint64_t key, unsigned count,
                      uint64_t *shared)
{
    struct path path;
    unsigned index = key_index(key, 0);
    int64_t mapped = 0;
    int r = forest_path(forest, tree, key, 0, &path);

    for (unsigned i = 0; r == 0 && i < count; i++) {
        struct ref old = ref_load(path.pages[0]->bytes + (size_t)(index + i) * REF_BYTES);

        if (!ref_is_hole(old)) {
            r = forest_ready_ref(forest, old.at);
        }
    }
    if (r != 0) {
        return r;
    }
    for (unsigned i = 0; i < count; i++) {
        uint8_t *at = path.pages[0]->bytes + (size_t)(index + i) * REF_BYTES;
        struct ref old = ref_load(at);

        if (!ref_is_hole(old)) {
            *shared += space_count(forest->space, old.at) > 1;
            space_down(forest->space, old.at);
            ref_store(at, ref_hole());
            mapped--;
        }
    }
    forest_add_mapped(&path, 0, mapped);
    forest_prune(forest, &path, 0);
    return 0;
}

/* Children `index` ... of the page of level `level`, all wholly inside the range. */
static int punch_children(struct forest *forest, const struct tree *tree, uint64_t key,
                          uint8_t level, unsigned count, uint64_t *shared)
{
    struct path path;
    unsigned index = key_index(key, level);
    int64_t mapped = 0;
    int r = forest_path(forest, tree, key, level, &path);

    if (r != 0 || (r = forest_trash_ready(forest, count)) != 0) {
        return r;
    }
    for (unsigned i = 0; i < count; i++) {
        struct ref child = ref_load(path.pages[level]->bytes + (size_t)(index + i) * REF_BYTES);

        if (!ref_is_hole(child) && (r = forest_ready_ref(forest, child.at)) != 0) {
            return r;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        uint8_t *at = path.pages[level]->bytes + (size_t)(index + i) * REF_BYTES;
        struct ref child = ref_load(at);

        if (!ref_is_hole(child)) {
            *shared += space_count(forest->space, child.at) > 1 ? child.mapped : 0;
            forest_trash_push(forest, child, (uint8_t)(level - 1));
            ref_store(at, ref_hole());
            mapped -= child.mapped;
        }
    }
    forest_add_mapped(&path, level, mapped);
    forest_prune(forest, &path, level);
    return 0;
}

/* Keys from `key` on that are holes because the children of this page from there on are. */
static uint64_t hole_span(const struct page *page, uint64_t key, uint8_t level)
{
    uint64_t child_span = (uint64_t)1 << (level * REF_LEVEL_BITS);
    unsigned index = key_index(key, level);
    uint64_t span = 0;

    while (index < REFS_PER_PAGE &&
           ref_is_hole(ref_load(page->bytes + (size_t)index * REF_BYTES))) {
        span += child_span;
        index++;
    }
    return span == 0 ? 0 : span - (key & (child_span - 1));
}

int forest_discard_tree(struct forest *forest, const struct tree *tree)
{
    struct ref root = slot_load(tree->root);
    int r;

    if (ref_is_hole(root)) {
        return 0;
    }
    if ((r = forest_trash_ready(forest, 1)) != 0) {
        return r;
    }
    forest_trash_push(forest, root, tree->level);
    slot_store(tree->root, ref_hole());
    return 0;
}

int forest_punch(struct forest *forest, const struct tree *tree, uint64_t key, uint64_t count,
                 struct forest_hole *ret_hole)
{
    struct ref ref = slot_load(tree->root);
    int r;

    *ret_hole = (struct forest_hole){.done = count};
    if (ref_is_hole(ref)) {
        return 0;
    }
    if (key == 0 && count >> ((tree->level + 1) * REF_LEVEL_BITS) > 0) {
        ret_hole->changed = ret_hole->subtrees = true;
        return forest_discard_tree(forest, tree);
    }
    for (uint8_t level = tree->level;; level--) {
        uint64_t child_span = (uint64_t)1 << (level * REF_LEVEL_BITS);
        unsigned left = REFS_PER_PAGE - key_index(key, level);
        struct page *page;

        if ((r = forest_page(forest, ref, (uint8_t)(tree->rank + level), &page)) != 0) {
            return r;
        }
        uint64_t hole = hole_span(page, key, level);
        if (hole > 0) {
            ret_hole->done = min_u64(count, hole);
            return 0;
        }
        if (level == 0) {
            unsigned n = (unsigned)min_u64(count, left);
            ret_hole->done = n;
            ret_hole->changed = true;
            return punch_leaf(forest, tree, key, n, &ret_hole->shared);
        }
        if ((key & (child_span - 1)) == 0 && count >= child_span) {
            unsigned n = (unsigned)min_u64(count / child_span, left);
            ret_hole->done = n * child_span;
            ret_hole->changed = ret_hole->subtrees = true;
            return punch_children(forest, tree, key, level, n, &ret_hole->shared);
        }
        ref = ref_load(page->bytes + (size_t)key_index(key, level) * REF_BYTES);
    }
}
