/*
 * Room for a request before its first change: what is refused for want of space has had no effect.
 *
 * Data. A request is promised its blocks before it begins. store->promised is the sum of what is
 * promised and not taken yet, and
 *
 *     free blocks + places that are left in the current extent  >=  store->promised
 *
 * holds at all times: a promise is made only when it does; a place that is given out lowers both
 * sides; filling and sealing an extent moves blocks between the two on the left; and whoever else
 * takes free blocks (pages, overwrites, a discard) leaves the promised ones. So a promise can be
 * kept without asking anybody.
 *
 * Where there is not so much, a request whose blocks the image has for itself, or has set aside,
 * may still go on: what it takes comes back with the next checkpoint, piece by piece, as nobody can
 * share its blocks meanwhile (a clone of the image waits for requests that are under way).
 *
 * Pages. A request of several blocks has all paths to its leaves made its own and writable before
 * it begins. Afterwards it needs only new places for the same pages when a checkpoint comes between
 * two pieces; the old ones come back with the next, and the reserve has room for that (invariant
 * 10).
 */
#include <errno.h>
#include <varve/error.h>

#include "store/internal.h"
#include "store/store_data.h"

/* Map pages that a change of one leaf moves: the path to it, and the table's. */
enum { PAGES_PER_LEAF = 8 };

/* How often an overwrite waits for a checkpoint to bring blocks back, when others take them first.
 */
enum { OVERWRITE_TRIES = 64 };

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t places_left(const struct store *store)
{
    const struct open_extent *open = store->extents.current[EXTENT_NORMAL];

    return open != NULL ? open->count - open->taken : 0;
}

uint64_t store_promised_locked(const struct store *store)
{
    return less(store->promised, places_left(store));
}

/* What must stay free when data is taken, `own` blocks of it out of a promise: places that pages
 * have already count as kept. */
static uint64_t blocks_to_keep(const struct store *store, enum extent_use use, uint64_t own)
{
    uint64_t places = store->forest.places;
    uint64_t promised = less(store->promised - own, places_left(store));

    if (use == EXTENT_OVERWRITE) {
        return less(store->reserve / 2, places) + promised;
    }
    return less(store->reserve, places) + store_set_aside_locked(store) + promised;
}

/* What is free, and what is set aside of it. */
struct room {
    uint64_t free, aside;
};

static struct room room_now(const struct store *store)
{
    return (struct room){space_totals(store->space).free, store_set_aside_locked(store)};
}

bool store_make_room_locked(struct store *store)
{
    struct room before = room_now(store);

    /* what deletes left comes back in two steps: counted down, then past a checkpoint */
    for (unsigned i = 0; i < 4096 && store->forest.trash > 0; i++) {
        bool idle;
        int r = forest_reclaim(&store->forest, &idle);

        store_shares_stale_locked(store);
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
        }
        if (r < 0 || store_check_counts_locked(store) < 0) {
            break;
        }
    }
    if (space_totals(store->space).held > 0 && store_checkpoint_locked(store) < 0) {
        return false;
    }
    /* and then may be less is set aside than was */
    for (unsigned i = 0; i < 4096 && store->forest.trash == 0; i++) {
        if (store_shares_step_locked(store, true) <= 0) {
            break;
        }
    }
    struct room after = room_now(store);
    return after.free + before.aside > before.free + after.aside;
}

/* --- what is there already ---- */

/* Do these blocks of one leaf refer to nothing that others refer to? */
static int refs_are_own(struct store *store, const struct page *leaf, struct lblock first,
                        unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct ref ref = ref_load(leaf->bytes + (size_t)key_index(first.n + i, 0) * REF_BYTES);
        int r;

        if (ref_is_hole(ref)) {
            return 0;
        }
        if ((r = forest_ready(&store->forest, ref.at)) != 0) {
            return r == FOREST_NEED ? -EAGAIN : r;
        }
        if (space_count(store->space, ref.at) > 1) {
            return 0;
        }
    }
    return 1;
}

/* Does new content for these blocks of one leaf need no space for long? 1, 0, -EAGAIN when
 * something must be provided first, or -errno. */
static int leaf_needs_no_space(struct store *store, const struct store_image *image,
                               struct lblock first, unsigned count)
{
    struct ref ref = image->record.root;

    for (uint8_t level = image->record.level;; level--) {
        struct page *page;
        int r;

        if (ref_is_hole(ref)) {
            return 0;
        }
        if ((r = forest_ready(&store->forest, ref.at)) != 0 ||
            (r = forest_page(&store->forest, ref, (uint8_t)(RANK_IMAGE + level), &page)) != 0) {
            return r == FOREST_NEED ? -EAGAIN : r;
        }
        if (space_count(store->space, ref.at) > 1) {
            return 0;
        }
        if (level == 0) {
            return refs_are_own(store, page, first, count);
        }
        ref = ref_load(page->bytes + (size_t)key_index(first.n, level) * REF_BYTES);
    }
}

/* The same for any number of blocks. Lets the lock go. */
static int needs_no_space(struct store *store, const struct store_image *image, struct lblock first,
                          uint64_t count)
{
    while (count > 0) {
        unsigned piece = (unsigned)min_u64(count, REFS_PER_PAGE - key_index(first.n, 0));
        int r = leaf_needs_no_space(store, image, first, piece);

        if (r == -EAGAIN) {
            if ((r = store_provide_locked(store)) < 0) {
                return r;
            }
            continue;
        }
        if (r <= 0) {
            return r;
        }
        first.n += piece;
        count -= piece;
    }
    return 1;
}

/* --- pages ---- */

static uint64_t next_leaf(uint64_t key)
{
    return (key / REFS_PER_PAGE + 1) * REFS_PER_PAGE;
}

/* The paths to all leaves of the range. What was refused leaves no empty pages behind. */
static int prepare_leaves(struct store *store, struct store_image *image, uint64_t first,
                          uint64_t end, uint64_t keep)
{
    uint64_t key = first;
    int r = 0;

    while (r == 0 && key < end) {
        r = store_prepare_path_locked(store, image, key, 0, keep);
        key = next_leaf(key);
    }
    for (uint64_t k = first; r < 0 && k < key; k = next_leaf(k)) {
        store_prune_leaf_locked(store, image, k);
    }
    return r;
}

/* The page of level `bottom` on the way to a key, if it is there. */
static int prepare_present(struct store *store, struct store_image *image, uint64_t key,
                           uint8_t bottom)
{
    struct page *page = NULL;
    uint64_t span;
    int r;

    if (key >> ((image->record.level + 1) * REF_LEVEL_BITS) != 0) {
        return 0; /* past the end of the map */
    }
    do {
        struct forest_root root = {image->record.root, image->record.level};

        r = forest_find_level(&store->forest, root, RANK_IMAGE, key, bottom, &page, &span);
    } while (r == FOREST_NEED && (r = store_provide_locked(store)) == 0);
    return r < 0 || page == NULL ? r : store_prepare_path_locked(store, image, key, bottom, 0);
}

/* The lowest level at which something ends here: below, whole subtrees are cut off. */
static uint8_t edge_level(const struct store_image *image, uint64_t key)
{
    uint8_t level = 0;

    while (level < image->record.level && key_index(key, level) == 0) {
        level++;
    }
    return level;
}

/* Making a hole changes the pages on the ways to its two ends, and drops what is between them. */
int store_prepare_zero_locked(struct store *store, struct store_image *image,
                              const struct byte_range *range)
{
    uint64_t start = range->middle.n;
    uint64_t end = start + range->middle_count;
    bool head = range->head_to > range->head_from;
    bool tail = range->tail_to > 0;
    int r = 0;

    if (!head && !tail && start / REFS_PER_PAGE == (end - 1) / REFS_PER_PAGE) {
        return 0; /* one step */
    }
    if (head) {
        r = prepare_present(store, image, range->head.n, 0);
    }
    if (r == 0 && tail) {
        r = prepare_present(store, image, range->tail.n, 0);
    }
    if (r == 0 && end > start) {
        r = prepare_present(store, image, start, edge_level(image, start));
    }
    if (r == 0 && end > start) {
        r = prepare_present(store, image, end - 1, edge_level(image, end));
    }
    return r;
}

/* --- promises ---- */

static bool is_room(const struct store *store, uint64_t blocks, uint64_t pages)
{
    uint64_t left = places_left(store);

    if (blocks == 1 && left > store->promised) {
        return true;
    }
    return space_totals(store->space).free + left >= less(store->reserve, store->forest.places) +
                                                         store_set_aside_locked(store) +
                                                         store->promised + blocks + pages;
}

/* Of a reserved image each block is either its own or has a place set aside. But are the places
 * there? Not in a store that was full when a build that set too little aside wrote it last. */
static bool is_set_aside(const struct store *store, const struct store_image *image, uint64_t count)
{
    struct space_totals totals = space_totals(store->space);
    uint64_t wanted = min_u64(count, image_outstanding(&image->record));

    return (image->record.flags & STORE_IMAGE_RESERVED) != 0 &&
           totals.free + totals.held + places_left(store) >= wanted + store->promised;
}

/* How can the request be served? Lets the lock go before it looks, not after. */
static int choose_use(struct store *store, const struct store_image *image, struct lblock first,
                      uint64_t count, enum extent_use *ret_use)
{
    /* a piece's pages must not be missing for the next one's data */
    uint64_t pages =
        count > 1
            ? ((first.n + count - 1) / REFS_PER_PAGE - first.n / REFS_PER_PAGE + 1) * PAGES_PER_LEAF
            : 0;

    *ret_use = EXTENT_OVERWRITE;
    if (image_outstanding(&image->record) >= count && is_set_aside(store, image, count)) {
        return 0;
    }
    for (unsigned tries = 0; tries < 4; tries++) {
        if (is_room(store, count, pages)) {
            *ret_use = EXTENT_NORMAL;
            return 0;
        }
        if (!store_make_room_locked(store)) {
            break;
        }
    }
    int r = is_set_aside(store, image, count) ? 1 : needs_no_space(store, image, first, count);

    return r > 0 ? 0 : r < 0 ? r : varve_fail(ENOSPC, "the store is full");
}

int store_promise_locked(struct store *store, struct store_image *image, struct lblock first,
                         uint64_t count, bool is_part, struct promise *ret_promise)
{
    enum extent_use use;
    int r = choose_use(store, image, first, count, &use);

    if (r < 0) {
        return r;
    }
    *ret_promise = (struct promise){.use = use, .blocks = use == EXTENT_NORMAL ? count : 0};
    store->promised += ret_promise->blocks;
    if (count > 1 || is_part) {
        /* Where new pages stay, half of the reserve is left to those that only move. */
        uint64_t keep = use == EXTENT_NORMAL ? store->reserve / 2 : 0;

        /* space below is made sure of, too, before the first change */
        uint64_t new = ret_promise->blocks;

        if (use == EXTENT_OVERWRITE) {
            new = min_u64(count, image_outstanding(&image->record));
        }
        if (new > 0) {
            r = store_back_ahead_locked(store, store->promised - ret_promise->blocks + new);
            ret_promise->backed = r == 0;
        }
        if (r == 0) {
            r = prepare_leaves(store, image, first.n, first.n + count, keep);
        }
    }
    if (r < 0) {
        store_promise_end_locked(store, ret_promise);
    }
    return r;
}

void store_promise_end_locked(struct store *store, struct promise *promise)
{
    store->promised -= promise->blocks;
    promise->blocks = 0;
}

/* --- places ---- */

/* Gives the current extent of that use places, opening one first where there is none. Lets the lock
 * go. */
static int refill(struct store *store, enum extent_use use, enum take_use for_what, unsigned want,
                  uint64_t keep)
{
    struct open_extents *x = &store->extents;
    struct pblock first;
    uint64_t count;
    int r;

    if (x->current[use] == NULL && !open_extents_open(x, use)) {
        r = store_write_out_locked(store, false);
        if (r == 0 || r == -EAGAIN) {
            pthread_cond_wait(&store->changed, &store->lock);
            r = 0;
        }
        return r < 0 ? r : 0;
    }
    struct open_extent *e = x->current[use];
    r = store_take_backed_locked(store, for_what, min_u64(want, x->blocks - e->count), keep, &first,
                                 &count);
    if (r < 0) {
        return r;
    }
    /* the lock was let go: is it still the one, and does it still have room? */
    if (x->current[use] != e || x->blocks - e->count < count) {
        space_untake(store->space, first, count);
        return 0;
    }
    open_extents_add_places(x, use, first, count);
    return 0;
}

/* More places for this promise. */
static int more_places(struct store *store, const struct promise *promise, unsigned want,
                       unsigned *tries)
{
    enum extent_use use = promise->use;
    enum take_use last = promise->backed ? TAKE_FOR_PROMISED_DATA : TAKE_FOR_DATA;
    int r = refill(store, use, TAKE_FOR_DATA, store->extents.blocks, blocks_to_keep(store, use, 0));

    if (r != -ENOSPC) {
        return r;
    }
    if (use == EXTENT_NORMAL) {
        return refill(store, use, last, want, 0);
    }
    if (promise->backed) {
        r = refill(store, use, last, want, blocks_to_keep(store, use, 0));
        if (r != -ENOSPC) {
            return r;
        }
    }
    /* what overwrites have freed comes back with a checkpoint; others may have taken it already */
    bool room = store_make_room_locked(store);
    if ((room || space_totals(store->space).held > 0) && (*tries)++ < OVERWRITE_TRIES) {
        return 0;
    }
    return r;
}

int store_take_places_locked(struct store *store, struct promise *promise, unsigned want,
                             struct extent_block *ret_block, unsigned *ret_count)
{
    unsigned tries = 0;

    for (;;) {
        int r = store_check_alive_locked(store);

        if (r < 0) {
            return r;
        }
        unsigned taken = open_extents_take(&store->extents, promise->use, want, ret_block);
        if (taken > 0) {
            if (promise->use == EXTENT_NORMAL) {
                promise->blocks -= taken;
                store->promised -= taken;
            }
            if (store->extents.current[promise->use] == NULL) {
                store_wake_locked(store, STORE_WRITE_OUT);
            }
            *ret_count = taken;
            return 0;
        }
        if ((r = more_places(store, promise, want, &tries)) < 0) {
            return r;
        }
    }
}

/* Both sides of the inequality go down: free blocks, and what is promised. */
int store_take_run_locked(struct store *store, struct promise *promise, unsigned want,
                          struct pblock *ret_first, uint64_t *ret_count)
{
    uint64_t own = min_u64(promise->blocks, want);
    int r = store_take_backed_locked(
        store, TAKE_FOR_DATA, want, blocks_to_keep(store, promise->use, own), ret_first, ret_count);

    if (r == 0) {
        own = min_u64(promise->blocks, *ret_count);
        promise->blocks -= own;
        store->promised -= own;
    }
    return r;
}

void store_untake_run_locked(struct store *store, struct promise *promise, struct pblock first,
                             uint64_t count)
{
    uint64_t own = promise->use == EXTENT_NORMAL ? count : 0;

    space_untake(store->space, first, count);
    promise->blocks += own;
    store->promised += own;
}
