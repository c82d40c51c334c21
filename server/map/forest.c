/* Copy-on-write of pages, paths, and setting refs in a leaf. */
#include "map/forest.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "format/count_page.h"

struct tree forest_table(const struct forest *forest)
{
    return (struct tree){
        .root = {forest->super, 0}, .level = FOREST_TABLE_LEVEL, .rank = RANK_TABLE};
}

struct tree forest_trash_tree(const struct forest *forest)
{
    return (struct tree){
        .root = {forest->super, REF_BYTES}, .level = FOREST_TRASH_LEVEL, .rank = RANK_TRASH};
}

void forest_give_places(struct forest *forest, struct pblock first, uint64_t count)
{
    assert(forest->places == 0);
    forest->place = first;
    forest->places = count;
}

int forest_ready(struct forest *forest, struct pblock block)
{
    int r = space_ready(forest->space, block, &forest->need.group);

    if (r == SPACE_NEED) {
        forest->need.kind = NEED_GROUP;
    }
    return r == -EINVAL ? -EIO : r;
}

int forest_ready_ref(struct forest *forest, struct pblock block)
{
    int r = forest_ready(forest, block);

    if (r == 0 && space_count(forest->space, block) == 0) {
        return varve_fail(EIO,
                          "block %llu of the extents is in use and counted as free: the counts are "
                          "damaged; varve check says more",
                          (unsigned long long)block.n);
    }
    return r;
}

int forest_page(struct forest *forest, struct ref ref, uint8_t rank, struct page **ret_page)
{
    struct page *page = page_find(forest->cache, ref.at);

    if (page == NULL) {
        forest->need = (struct need){.kind = NEED_PAGE, .ref = ref, .rank = rank};
        return FOREST_NEED;
    }
    *ret_page = page;
    return 0;
}

/* A place for a new page is there, and its count can be set. */
static int place_ready(struct forest *forest)
{
    if (forest->places == 0) {
        forest->need.kind = NEED_PLACE;
        return FOREST_NEED;
    }
    return forest_ready(forest, forest->place);
}

static struct pblock use_place(struct forest *forest)
{
    struct pblock at = forest->place;

    assert(forest->places > 0);
    forest->place.n++;
    forest->places--;
    forest->map_blocks++;
    space_claim(forest->space, at);
    return at;
}

static int new_page(struct forest *forest, struct slot slot, uint8_t rank, struct page **ret_page)
{
    int r = place_ready(forest);

    if (r != 0 || (r = page_room(forest->cache, 1)) != 0) {
        return r;
    }
    struct page *page = page_add(forest->cache, use_place(forest), rank);
    memset(page->bytes, 0, BLOCK_SIZE);
    page_make_dirty(forest->cache, page);
    slot_store(slot, (struct ref){.at = page->at, .kind = REF_HERE});
    *ret_page = page;
    return 0;
}

static unsigned ref_stride(uint8_t rank)
{
    return rank == RANK_TABLE ? IMAGE_RECORD_BYTES : REF_BYTES;
}

/* The children of a shared page gain a reference when it is copied: can they? */
static int children_ready(struct forest *forest, const struct page *page)
{
    for (unsigned at = 0; at < BLOCK_SIZE; at += ref_stride(page->rank)) {
        struct ref child = ref_load(page->bytes + at);

        if (child.kind == REF_HOLE) {
            continue;
        }
        int r = forest_ready_ref(forest, child.at);
        if (r != 0) {
            return r;
        }
        if (space_count(forest->space, child.at) == COUNT_MAX) {
            forest->need = (struct need){.kind = NEED_COPY, .ref = child, .rank = page->rank};
            return FOREST_NEED;
        }
    }
    return 0;
}

static void children_up(struct forest *forest, const struct page *page)
{
    for (unsigned at = 0; at < BLOCK_SIZE; at += ref_stride(page->rank)) {
        struct ref child = ref_load(page->bytes + at);

        if (child.kind != REF_HOLE) {
            space_up(forest->space, child.at);
        }
    }
}

/* The page moves to a new place because the old one belongs to an older epoch. */
static struct page *relocate(struct forest *forest, struct page *page)
{
    struct page *moved = page;
    struct pblock old = page->at;

    if (page->frozen) {
        moved = page_add(forest->cache, use_place(forest), page->rank);
        memcpy(moved->bytes, page->bytes, BLOCK_SIZE);
        page_drop(forest->cache, page);
    } else {
        page_move(forest->cache, page, use_place(forest));
    }
    space_down(forest->space, old);
    forest->map_blocks--;
    return moved;
}

static struct page *copy_shared(struct forest *forest, const struct page *page)
{
    struct page *copy = page_add(forest->cache, use_place(forest), page->rank);

    memcpy(copy->bytes, page->bytes, BLOCK_SIZE);
    children_up(forest, copy);
    space_down(forest->space, page->at);
    return copy;
}

int forest_writable(struct forest *forest, struct slot slot, uint8_t rank, struct page **ret_page)
{
    struct ref ref = slot_load(slot);
    struct page *page;
    int r;

    assert(slot.page->dirty || slot.page == forest->super);
    if (ref_is_hole(ref)) {
        return new_page(forest, slot, rank, ret_page);
    }
    if ((r = forest_page(forest, ref, rank, &page)) != 0 ||
        (r = forest_ready_ref(forest, ref.at)) != 0) {
        return r;
    }
    bool shared = space_count(forest->space, ref.at) > 1;
    if (page->dirty && !shared) {
        *ret_page = page;
        return 0;
    }
    if ((r = place_ready(forest)) != 0 || (shared && (r = children_ready(forest, page)) != 0) ||
        (r = page_room(forest->cache, 1)) != 0) {
        return r;
    }
    /* page_room may have evicted the page itself */
    if ((r = forest_page(forest, ref, rank, &page)) != 0) {
        return r;
    }
    page = shared ? copy_shared(forest, page) : relocate(forest, page);
    page_make_dirty(forest->cache, page);
    ref.at = page->at;
    ref.crc = 0;
    slot_store(slot, ref);
    *ret_page = page;
    return 0;
}

struct slot path_slot(const struct path *path, uint8_t level)
{
    if (level == path->tree.level) {
        return path->tree.root;
    }
    unsigned index = key_index(path->key, (uint8_t)(level + 1));
    return (struct slot){path->pages[level + 1], index * REF_BYTES};
}

int forest_path(struct forest *forest, const struct tree *tree, uint64_t key, uint8_t bottom,
                struct path *ret_path)
{
    ret_path->tree = *tree;
    ret_path->key = key;
    for (uint8_t level = tree->level;; level--) {
        struct slot slot = path_slot(ret_path, level);
        int r =
            forest_writable(forest, slot, (uint8_t)(tree->rank + level), &ret_path->pages[level]);

        if (r != 0) {
            return r;
        }
        if (level == bottom) {
            return 0;
        }
    }
}

/* Saturates, and stays so: see FORMAT.md, "Ref". */
void forest_add_mapped(const struct path *path, uint8_t bottom, int64_t delta)
{
    for (uint8_t level = bottom; delta != 0 && level <= path->tree.level; level++) {
        struct slot slot = path_slot(path, level);
        struct ref ref = slot_load(slot);

        if (ref.mapped != UINT32_MAX) {
            int64_t sum = (int64_t)ref.mapped + delta;
            /* only in a damaged map; the check tells */
            sum = sum < 0 ? 0 : sum;
            ref.mapped = sum > (int64_t)UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
            slot_store(slot, ref);
        }
    }
}

int forest_set_ready(struct forest *forest, const struct path *path, unsigned index, unsigned count,
                     struct pblock first)
{
    const struct page *leaf = path->pages[0];

    assert(index + count <= REFS_PER_PAGE);
    for (unsigned i = 0; i < count; i++) {
        struct ref old = ref_load(leaf->bytes + (size_t)(index + i) * REF_BYTES);
        int r = forest_ready(forest, pblock_at(first.n + i));

        if (r == 0 && old.kind == REF_HERE) {
            r = forest_ready_ref(forest, old.at);
        }
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

unsigned forest_set(struct forest *forest, const struct path *path, unsigned index, unsigned count,
                    struct pblock first, const uint8_t *crcs)
{
    struct page *leaf = path->pages[0];
    int64_t fresh = 0;
    unsigned shared = 0;

    for (unsigned i = 0; i < count; i++) {
        uint8_t *to = leaf->bytes + (size_t)(index + i) * REF_BYTES;
        struct ref old = ref_load(to);
        struct pblock at = pblock_at(first.n + i);

        space_claim(forest->space, at);
        ref_store(to, (struct ref){.at = at,
                                   .crc = le32_load(crcs + 4 * (size_t)i),
                                   .mapped = 1,
                                   .kind = REF_HERE});
        if (old.kind == REF_HERE) {
            shared += space_count(forest->space, old.at) > 1;
            space_down(forest->space, old.at);
        } else {
            fresh++;
        }
    }
    forest_add_mapped(path, 0, fresh);
    return shared;
}

/* A hole is sixteen zero bytes, a record that is not in use 256 of them. */
static bool page_is_empty(const struct page *page)
{
    uint64_t any = 0;

    for (unsigned at = 0; at < BLOCK_SIZE && any == 0; at += 8) {
        any |= le64_load(page->bytes + at);
    }
    return any == 0;
}

void forest_prune(struct forest *forest, const struct path *path, uint8_t bottom)
{
    for (uint8_t level = bottom; level <= path->tree.level; level++) {
        struct page *page = path->pages[level];

        if (!page_is_empty(page)) {
            return;
        }
        slot_store(path_slot(path, level), ref_hole());
        space_down(forest->space, page->at);
        forest->map_blocks--;
        page_drop(forest->cache, page);
    }
}

int forest_share(struct forest *forest, struct ref source, uint8_t rank, struct slot slot)
{
    assert(ref_is_hole(slot_load(slot)));
    if (ref_is_hole(source)) {
        return 0;
    }
    int r = forest_ready_ref(forest, source.at);
    if (r != 0) {
        return r;
    }
    if (space_count(forest->space, source.at) == COUNT_MAX) {
        forest->need = (struct need){.kind = NEED_COPY, .ref = source, .rank = rank};
        return FOREST_NEED;
    }
    space_up(forest->space, source.at);
    slot_store(slot, source);
    return 0;
}

int forest_raise(struct forest *forest, struct slot slot, uint8_t rank)
{
    struct ref old = slot_load(slot);
    struct page *page;

    if (ref_is_hole(old)) {
        return 0;
    }
    int r = place_ready(forest);
    if (r != 0 || (r = page_room(forest->cache, 1)) != 0) {
        return r;
    }
    page = page_add(forest->cache, use_place(forest), rank);
    memset(page->bytes, 0, BLOCK_SIZE);
    ref_store(page->bytes, old);
    page_make_dirty(forest->cache, page);
    slot_store(slot, (struct ref){.at = page->at, .mapped = old.mapped, .kind = REF_HERE});
    return 0;
}
