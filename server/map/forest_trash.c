/*
 * The trash: subtrees that nothing refers to any more but that still hold references themselves. It
 * is a stack in a tree of its own, so that a checkpoint holds it together with the counts, and a
 * delete of any size costs one push. forest_reclaim takes the newest entry one step further; depth
 * first, so the stack stays small.
 */
#include <assert.h>
#include <errno.h>
#include <varve/error.h>

#include "map/forest.h"

/* Sees to it that `count` entries can be pushed. */
int forest_trash_ready(struct forest *forest, uint64_t count)
{
    struct tree tree = forest_trash_tree(forest);
    uint64_t key = forest->trash;
    uint64_t end = key + count;

    if (end >> ((FOREST_TRASH_LEVEL + 1) * REF_LEVEL_BITS) != 0) {
        return varve_fail(ENOSPC, "too many deletions wait to be reclaimed");
    }
    while (key < end) {
        struct path path;
        int r = forest_path(forest, &tree, key, 0, &path);

        if (r != 0) {
            return r;
        }
        key = (key / REFS_PER_PAGE + 1) * REFS_PER_PAGE;
    }
    return 0;
}

/* The path of an entry in a leaf that is writable already. */
static void ready_path(struct forest *forest, uint64_t key, struct path *ret_path)
{
    struct tree tree = forest_trash_tree(forest);
    int r = forest_path(forest, &tree, key, 0, ret_path);

    assert(r == 0);
    (void)r;
}

static struct slot trash_slot(const struct path *path)
{
    return (struct slot){path->pages[0], key_index(path->key, 0) * REF_BYTES};
}

void forest_trash_push(struct forest *forest, struct ref ref, uint8_t level)
{
    struct path path;

    ready_path(forest, forest->trash, &path);
    ref.kind = (uint8_t)(REF_SUBTREE + level);
    slot_store(trash_slot(&path), ref);
    forest->trash++;
}

/* Takes the newest entry away and leaves its leaf in place. */
static void trash_clear(struct forest *forest)
{
    struct path path;

    forest->trash--;
    ready_path(forest, forest->trash, &path);
    slot_store(trash_slot(&path), ref_hole());
}

static void trash_pop(struct forest *forest)
{
    struct path path;

    forest->trash--;
    ready_path(forest, forest->trash, &path);
    slot_store(trash_slot(&path), ref_hole());
    forest_prune(forest, &path, 0);
}

static void drop_page(struct forest *forest, struct page *page)
{
    space_down(forest->space, page->at);
    forest->map_blocks--;
    page_drop(forest->cache, page);
}

/* The page's children lose the reference that the page held. */
static int reclaim_leaf(struct forest *forest, struct page *page)
{
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref child = ref_load(page->bytes + (size_t)i * REF_BYTES);
        int r = ref_is_hole(child) ? 0 : forest_ready_ref(forest, child.at);

        if (r != 0) {
            return r;
        }
    }
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref child = ref_load(page->bytes + (size_t)i * REF_BYTES);

        if (!ref_is_hole(child)) {
            space_down(forest->space, child.at);
        }
    }
    trash_pop(forest);
    drop_page(forest, page);
    return 0;
}

/* Leaves that were made ready for more entries than came go again: from `end` downward to the first
 * that holds one. Their paths are writable. */
static void prune_spare(struct forest *forest, uint64_t end)
{
    uint64_t first = (forest->trash + REFS_PER_PAGE - 1) / REFS_PER_PAGE;
    struct path path;

    for (uint64_t leaf = (end - 1) / REFS_PER_PAGE + 1; leaf > first; leaf--) {
        ready_path(forest, (leaf - 1) * REFS_PER_PAGE, &path);
        forest_prune(forest, &path, 0);
    }
}

/* The page's children take its place in the trash, with the references that it held. */
static int reclaim_inner(struct forest *forest, struct ref entry, uint8_t level)
{
    uint64_t end = forest->trash - 1 + REFS_PER_PAGE;
    struct page *page;
    int r;

    /* the first child takes the slot of the entry itself */
    forest->trash--;
    r = forest_trash_ready(forest, REFS_PER_PAGE);
    forest->trash++;
    if (r != 0 || (r = forest_page(forest, entry, (uint8_t)(RANK_IMAGE + level), &page)) != 0) {
        return r;
    }
    trash_clear(forest);
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref child = ref_load(page->bytes + (size_t)i * REF_BYTES);

        if (!ref_is_hole(child)) {
            forest_trash_push(forest, child, (uint8_t)(level - 1));
        }
    }
    drop_page(forest, page);
    prune_spare(forest, end);
    return 0;
}

int forest_reclaim(struct forest *forest, bool *ret_idle)
{
    struct tree tree = forest_trash_tree(forest);
    struct path path;
    struct page *page;
    int r;

    *ret_idle = forest->trash == 0;
    if (*ret_idle) {
        return 0;
    }
    if ((r = forest_path(forest, &tree, forest->trash - 1, 0, &path)) != 0) {
        return r;
    }
    struct ref entry = slot_load(trash_slot(&path));
    if (entry.kind < REF_SUBTREE || entry.kind > REF_SUBTREE + IMAGE_LEVEL_MAX) {
        return varve_fail(EIO, "entry %llu of the trash is of unknown kind %u",
                          (unsigned long long)forest->trash - 1, entry.kind);
    }
    if ((r = forest_ready_ref(forest, entry.at)) != 0) {
        return r;
    }
    if (space_count(forest->space, entry.at) > 1) {
        space_down(forest->space, entry.at);
        trash_pop(forest);
        return 0;
    }
    uint8_t level = (uint8_t)(entry.kind - REF_SUBTREE);
    if (level > 0) {
        return reclaim_inner(forest, entry, level);
    }
    r = forest_page(forest, entry, RANK_IMAGE, &page);
    return r != 0 ? r : reclaim_leaf(forest, page);
}
