/*
 * What reserved images share.
 *
 * Set aside for a reserved image are the blocks that it can hold, less those that it has for
 * itself: a hole needs a place when it is written, and so does a block to which something else
 * refers, too. So its record counts, beside what it maps, what of that is shared:
 *
 *     record.shared  >=  blocks of the map with more than one reference, or below such a page
 *
 * holds in memory and in every checkpoint. Sharing begins at a clone or a rollback alone, and then
 * all is shared. The image's own writes and holes count blocks off exactly: their path is the
 * image's own by then, so the count of a block says whether it is shared. Only of a subtree that
 * is cut off unseen nothing is counted off, unless it was shared as a whole.
 *
 * Where others let go of blocks (a deletion that was counted down, a clone that diverged) no image
 * learns of it: the sum is stale, too much is set aside, and a walk counts anew. It runs in the
 * background after reclaim, and wherever room would be refused. Like reclaim it goes into no
 * journal: what it found becomes durable with the counts that it was found from. A recovery
 * that begins before them begins with the larger number.
 *
 * The map pages that new places need are set aside with them: a page that the image does not have
 * for itself has 256 children that it does not have either.
 */
#include <errno.h>
#include <varve/error.h>

#include "store/internal.h"
#include "store/store_data.h"

/* A walk rests for so many times as long as it took, and so long at least. */
enum { PAUSE_TIMES = 16 };
#define PAUSE_MIN UINT64_C(1000000000)

/* Leaves that one step counts; table pages that one looks at. */
enum { LEAVES_PER_STEP = 64, TABLE_PAGES_PER_STEP = 16 };

uint64_t blocks_with_pages(uint64_t blocks)
{
    return blocks + (blocks + REFS_PER_PAGE - 2) / (REFS_PER_PAGE - 1);
}

uint64_t store_set_aside_locked(const struct store *store)
{
    return blocks_with_pages(store->reserved_blocks);
}

int store_aside_fits_locked(struct store *store, uint64_t blocks)
{
    uint64_t wanted = blocks_with_pages(store->reserved_blocks + blocks);
    uint64_t kept = store->reserve + store_promised_locked(store);
    uint64_t free = space_totals(store->space).free;

    if (free >= kept + wanted) {
        return 0;
    }
    uint64_t aside = kept + store_set_aside_locked(store);
    return varve_fail(ENOSPC, "%llu MiB cannot be set aside: %llu MiB are free, %llu bytes too few",
                      (unsigned long long)(blocks >> 8),
                      (unsigned long long)(free > aside ? free - aside : 0) >> 8,
                      (unsigned long long)(kept + wanted - free) << BLOCK_SHIFT);
}

uint64_t record_clone_wants(const struct image_record *source, unsigned flags, bool again)
{
    uint64_t blocks = blocks_for(source->size);
    uint64_t wanted = (flags & STORE_IMAGE_RESERVED) != 0 ? blocks : 0;

    if ((source->flags & STORE_IMAGE_RESERVED) != 0 && !again) {
        wanted += blocks - image_outstanding(source);
    }
    return wanted;
}

void record_shares_all(struct image_record *record)
{
    record->shared = (record->flags & STORE_IMAGE_RESERVED) != 0 ? record->root.mapped : 0;
}

static void spoil(struct store *store, const struct store_image *image)
{
    if (store->shares.image == image->number) {
        store->shares.spoiled = true;
    }
}

static void set_shared(struct store *store, struct store_image *image, uint64_t shared)
{
    image_count(store, &image->record, false);
    image->record.shared = shared;
    image_count(store, &image->record, true);
    image_put(store, image);
}

void image_shares_all(struct store *store, struct store_image *image)
{
    struct image_record all = image->record;

    record_shares_all(&all);
    set_shared(store, image, all.shared);
    spoil(store, image);
}

void image_shares_less(struct store *store, struct store_image *image, uint64_t key,
                       uint64_t shared)
{
    struct shares_walk *walk = &store->shares;
    uint64_t before = image->record.shared;

    if (shared == 0) {
        return;
    }
    if (store->shared_blocks > before) {
        walk->stale = true; /* another reserved image may have these alone now */
    }
    if (before == 0) {
        return;
    }
    set_shared(store, image, before - min_u64(before, shared));
    if (walk->image == image->number && key < walk->key) {
        walk->found -= min_u64(walk->found, shared);
    }
}

void image_shares_hole(struct store *store, struct store_image *image, uint64_t key,
                       const struct forest_hole *hole)
{
    image_shares_less(store, image, key, hole->shared);
    if (hole->subtrees) {
        spoil(store, image);
        if (image->record.shared > image->record.root.mapped) {
            set_shared(store, image, image->record.root.mapped);
        }
        store->shares.stale = true;
    }
}

void store_shares_stale_locked(struct store *store)
{
    store->shares.stale = true;
}

/* --- the recount ---- */

bool store_shares_due(const struct store *store, bool wanted)
{
    const struct shares_walk *walk = &store->shares;

    if (walk->active) {
        return true;
    }
    return walk->stale && store->shared_blocks > 0 &&
           (wanted || store->io->ops->now(store->io) - walk->ended >= walk->pause);
}

static void begin(struct store *store)
{
    struct shares_walk *walk = &store->shares;

    *walk = (struct shares_walk){
        .active = true, .next = 1, .begun = store->io->ops->now(store->io), .ended = walk->ended};
}

static void end(struct store *store)
{
    struct shares_walk *walk = &store->shares;

    walk->active = false;
    walk->ended = store->io->ops->now(store->io);
    walk->pause = max_u64((walk->ended - walk->begun) * PAUSE_TIMES, PAUSE_MIN);
}

/* The next image that shares something. */
static int find(struct store *store)
{
    struct shares_walk *walk = &store->shares;

    for (unsigned pages = 0; pages < TABLE_PAGES_PER_STEP;) {
        struct image_record record;

        if (walk->next >= store->next_image) {
            end(store);
            return 0;
        }
        int r = image_next_now(store, &walk->next, &record);

        if (r == -ENOENT) {
            pages++;
        } else if (r != 0) {
            return r;
        } else {
            walk->next = record.image + 1;
            if (record.shared > 0) {
                walk->image = record.image;
                walk->key = walk->found = 0;
                walk->spoiled = false;
                return 0;
            }
        }
    }
    return 0;
}

/* Blocks of the leaf that something else refers to. */
static int count_leaf(struct store *store, const struct page *leaf, uint64_t *shared)
{
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref ref = ref_load(leaf->bytes + (size_t)i * REF_BYTES);
        int r = ref_is_hole(ref) ? 0 : forest_ready(&store->forest, ref.at);

        if (r != 0) {
            return r;
        }
        *shared += !ref_is_hole(ref) && space_count(store->space, ref.at) > 1;
    }
    return 0;
}

/* All of the image is counted. */
static int take_over(struct store *store)
{
    struct shares_walk *walk = &store->shares;
    struct store_image *image;
    int r = image_get_locked(store, walk->image, &image);

    if (r < 0) {
        return r;
    }
    /* the lock may have been let go: is it still the same walk of the same image? */
    if (walk->image == image->number && !walk->spoiled &&
        walk->key >> ((image->record.level + 1) * REF_LEVEL_BITS) != 0) {
        r = image_writable(store, image);
        if (r == 0) {
            set_shared(store, image, min_u64(image->record.shared, walk->found));
            walk->image = 0;
        }
    }
    image_release_locked(store, image);
    return r;
}

static int walk_on(struct store *store)
{
    struct shares_walk *walk = &store->shares;

    for (unsigned leaves = 0; leaves < LEAVES_PER_STEP; leaves++) {
        struct image_record record;
        struct forest_alone alone;
        uint64_t shared = 0;
        int r = image_record_now(store, walk->image, &record);

        if (r != 0) {
            return r;
        }
        if (walk->spoiled) {
            walk->image = 0;
            walk->stale = true;
            return 0;
        }
        if (walk->key >> ((record.level + 1) * REF_LEVEL_BITS) != 0) {
            return take_over(store);
        }
        r = forest_find_alone(&store->forest, (struct forest_root){record.root, record.level},
                              RANK_IMAGE, walk->key, &alone);
        if (r == 0 && alone.leaf != NULL) {
            r = count_leaf(store, alone.leaf, &shared);
        } else if (r == 0 && alone.shared) {
            shared = alone.mapped;
        }
        if (r != 0) {
            return r;
        }
        walk->found += shared;
        walk->key += alone.span;
    }
    return 0;
}

int store_shares_step_locked(struct store *store, bool wanted)
{
    struct shares_walk *walk = &store->shares;

    if (!store_shares_due(store, wanted)) {
        return 0;
    }
    if (!walk->active) {
        begin(store);
    }
    int r = walk->image == 0 ? find(store) : walk_on(store);
    if (r == FOREST_NEED) {
        r = store_provide_locked(store);
    }
    if (r == -ENOENT) {
        walk->image = 0; /* it was deleted */
        r = 0;
    }
    if (r < 0) {
        /* what cannot be counted stays set aside */
        end(store);
        walk->image = 0;
    }
    return r < 0 ? r : 1;
}

int store_shares_begin_locked(struct store *store)
{
    uint64_t number = 1;
    int r = 0;

    if ((store->super.ro_compat & SUPERBLOCK_SHARES) != 0) {
        return 0;
    }
    while (r == 0 && number < store->next_image) {
        struct store_image *image = NULL;
        struct image_record record;

        r = image_next_now(store, &number, &record);
        if (r == 0 && (record.flags & STORE_IMAGE_RESERVED) != 0 &&
            (r = image_get_locked(store, number, &image)) == 0 &&
            (r = image_writable(store, image)) == 0) {
            image_shares_all(store, image);
        }
        image_release_locked(store, image);
        number += r == 0;
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
        } else if (r == -ENOENT) {
            r = 0;
        }
    }
    if (r == 0) {
        store->super.ro_compat |= SUPERBLOCK_SHARES;
    }
    return r;
}
