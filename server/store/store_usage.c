/*
 * What deleting images brings back: the pages and blocks all of whose references come from them.
 *
 * A page is referred to from one position of the trees only (the same height and key in all images
 * that share it), since sharing comes from clones alone. So the walk goes position by position, in
 * all the images at once: of the pages there that nothing else refers to it gathers the children,
 * and a child that is met as often as its count says is theirs alone, too. What is met less often
 * is left: nothing below it can come back.
 *
 * The walk holds addresses of its own, no pages, and finds its pages anew from the roots. Frozen
 * images do not move under it; of an image that is being written the answer is near, not exact.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <varve/error.h>

#include "store/internal.h"

/* What one page at a position refers to. */
struct row {
    uint64_t image;             /* index of one that has the page */
    uint64_t at[REFS_PER_PAGE]; /* 0: a hole (block 0 is a superblock) */
};

/* A reference from a page at a position, or from a record to its root. */
struct met {
    uint64_t at, image;
};

struct walk {
    struct store *store;
    const uint64_t *images;
    size_t count;
    struct row *rows[FOREST_LEVELS]; /* by level, `count` of each */
    struct met *met;                 /* `count` of them */
    unsigned steps;
    struct store_usage usage;
};

static int record_of(struct walk *walk, uint64_t image, struct image_record *ret_record)
{
    return image_record_locked(walk->store, walk->images[image], ret_record);
}

/* Fills the row of its image's page at that position; all holes when there is none any more. */
static int fill_row(struct walk *walk, struct row *row, uint8_t level, uint64_t key)
{
    struct forest *forest = &walk->store->forest;
    struct page *page = NULL;
    int r;

    do {
        struct image_record record;
        uint64_t span;

        if ((r = record_of(walk, row->image, &record)) < 0) {
            return r;
        }
        if (record.level < level) {
            break;
        }
        r = forest_find_level(forest, (struct forest_root){record.root, record.level}, RANK_IMAGE,
                              key, level, &page, &span);
        if (r == FOREST_NEED) {
            int provided = store_provide_locked(walk->store);
            r = provided < 0 ? provided : r;
        }
    } while (r == FOREST_NEED);
    for (unsigned i = 0; r == 0 && i < REFS_PER_PAGE; i++) {
        struct ref ref = page == NULL ? ref_hole() : ref_load(page->bytes + (size_t)i * REF_BYTES);

        row->at[i] = ref_is_hole(ref) ? 0 : ref.at.n;
    }
    store_walk_on_locked(walk->store, &walk->steps);
    return r;
}

static int by_place(const void *a, const void *b)
{
    const struct met *x = a;
    const struct met *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* Is nothing else referring to that block? 1, 0 or -errno. */
static int is_all(struct walk *walk, struct pblock at, size_t references)
{
    struct store *store = walk->store;
    int r;

    while ((r = forest_ready(&store->forest, at)) == FOREST_NEED) {
        if ((r = store_provide_locked(store)) < 0) {
            return r;
        }
    }
    return r < 0 ? r : space_count(store->space, at) == references;
}

/* Of `met` references the blocks that are met as often as they are counted: their number is
 * returned, and one reference to each of them is at the start of walk->met. */
static int alone(struct walk *walk, size_t met, size_t *ret_count)
{
    size_t found = 0;

    if (met > 1) {
        qsort(walk->met, met, sizeof *walk->met, by_place);
    }
    for (size_t i = 0, next; i < met; i = next) {
        for (next = i + 1; next < met && walk->met[next].at == walk->met[i].at; next++) {
        }
        int r = is_all(walk, pblock_at(walk->met[i].at), next - i);
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            walk->met[found++] = walk->met[i];
        }
    }
    *ret_count = found;
    return 0;
}

/* Roots of that level: references from records. */
static int meet_roots(struct walk *walk, uint8_t level, size_t *met)
{
    for (uint64_t i = 0; i < walk->count; i++) {
        struct image_record record;
        int r = record_of(walk, i, &record);

        if (r < 0) {
            return r;
        }
        if (record.level == level && !ref_is_hole(record.root)) {
            if (*met == walk->count) { /* an image has one page at a position */
                return varve_fail(EIO, "the map of image %llu is damaged",
                                  (unsigned long long)walk->images[i]);
            }
            walk->met[(*met)++] = (struct met){record.root.at.n, i};
        }
    }
    return 0;
}

static int visit(struct walk *walk, size_t met, uint8_t level, uint64_t key);

/* The children at one index of the pages at a position. */
static int visit_column(struct walk *walk, size_t rows, unsigned index, uint8_t level, uint64_t key)
{
    size_t met = 0;
    size_t blocks;
    int r;

    for (size_t i = 0; i < rows; i++) {
        const struct row *row = &walk->rows[level][i];

        if (row->at[index] != 0) {
            walk->met[met++] = (struct met){row->at[index], row->image};
        }
    }
    if (level > 0) {
        uint64_t at = key + ((uint64_t)index << (level * REF_LEVEL_BITS));

        r = at > 0 ? 0 : meet_roots(walk, (uint8_t)(level - 1), &met);
        return r < 0 || met == 0 ? r : visit(walk, met, (uint8_t)(level - 1), at);
    }
    r = alone(walk, met, &blocks);
    if (r == 0) {
        walk->usage.data += (uint64_t)blocks << BLOCK_SHIFT;
    }
    return r;
}

/* The position of level `level` at `key`: walk->met holds the references to its pages. */
static int visit(struct walk *walk, size_t met, uint8_t level, uint64_t key)
{
    size_t pages;
    int r = alone(walk, met, &pages);

    if (r < 0) {
        return r;
    }
    walk->usage.metadata += (uint64_t)pages << BLOCK_SHIFT;
    for (size_t i = 0; i < pages; i++) {
        walk->rows[level][i].image = walk->met[i].image;
    }
    for (size_t i = 0; i < pages; i++) {
        if ((r = fill_row(walk, &walk->rows[level][i], level, key)) < 0) {
            return r;
        }
    }
    /* roots of the level below stand beside column 0, also where there is no page above them */
    if (pages == 0 && !(level > 0 && key == 0)) {
        return 0;
    }
    for (unsigned i = 0; r == 0 && i < (pages == 0 ? 1 : REFS_PER_PAGE); i++) {
        r = visit_column(walk, pages, i, level, key);
    }
    return r;
}

static int walk_images(struct walk *walk)
{
    uint8_t level = 0;
    size_t met = 0;
    int r;

    for (uint64_t i = 0; i < walk->count; i++) {
        struct image_record record;

        if ((r = record_of(walk, i, &record)) < 0) {
            return r;
        }
        walk->usage.mapped += (uint64_t)record.root.mapped << BLOCK_SHIFT;
        level = record.level > level ? record.level : level;
    }
    for (uint8_t l = 0; l <= level; l++) {
        walk->rows[l] = memory_take(&walk->store->memory, walk->count * sizeof(struct row));
        if (walk->rows[l] == NULL) {
            return varve_no_memory("adding up what images use");
        }
    }
    r = meet_roots(walk, level, &met);
    return r < 0 ? r : visit(walk, met, level, 0);
}

int store_images_usage(struct store *store, const uint64_t *images, size_t count,
                       struct store_usage *ret_usage)
{
    struct walk walk = {.store = store, .images = images, .count = count};
    int r = 0;

    if (count > 0) {
        walk.met = memory_take(&store->memory, count * sizeof *walk.met);
        if (walk.met == NULL) {
            return varve_no_memory("adding up what images use");
        }
        pthread_mutex_lock(&store->lock);
        r = walk_images(&walk);
        pthread_mutex_unlock(&store->lock);
    }
    for (unsigned level = 0; level < FOREST_LEVELS; level++) {
        memory_give(&store->memory, walk.rows[level], count * sizeof(struct row));
    }
    memory_give(&store->memory, walk.met, count * sizeof *walk.met);
    if (r == 0) {
        *ret_usage = walk.usage;
    }
    return r;
}
