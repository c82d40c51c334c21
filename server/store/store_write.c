/*
 * Writing: the whole story, top to bottom. The range is locked; the edges are read and patched;
 * then, leaf by leaf: take places in the open extent, copy and sum, and change the map with its
 * record. Everything that can fail does so before the change. (Large pieces do without the open
 * extent: store_write_straight.c.)
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/internal.h"
#include "store/store_data.h"

struct byte_range byte_range_of(uint64_t offset, uint64_t length)
{
    const unsigned mask = (unsigned)BLOCK_SIZE - 1;
    uint64_t end = offset + length;
    struct byte_range range = {.start = offset >> BLOCK_SHIFT, .end = blocks_for(end)};
    uint64_t whole = range.start;

    if ((offset & mask) != 0 || length < BLOCK_SIZE) {
        range.head = lblock_at(range.start);
        range.head_from = (unsigned)offset & mask;
        range.head_to = (unsigned)min_u64(BLOCK_SIZE, range.head_from + length);
        whole++;
    }
    if (whole < range.end && (end & mask) != 0) {
        range.tail = lblock_at(range.end - 1);
        range.tail_to = (unsigned)end & mask;
    }
    range.middle = lblock_at(whole);
    range.middle_count = range.end - whole - (range.tail_to > 0);
    return range;
}

/* --- places ---- */

/* Does this image alone refer to all these blocks? Then new content for them needs no space for
 * long: the old comes back with the next checkpoint. */
static int owned_alone(struct store *store, const struct store_image *image, struct lblock first,
                       unsigned count)
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
        for (unsigned i = 0; level == 0 && i < count; i++) {
            ref = ref_load(page->bytes + (size_t)key_index(first.n + i, 0) * REF_BYTES);
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
        if (level == 0) {
            return 1;
        }
        ref = ref_load(page->bytes + (size_t)key_index(first.n, level) * REF_BYTES);
    }
}

static uint64_t blocks_to_keep(const struct store *store, enum extent_use use)
{
    if (use == EXTENT_OVERWRITE) {
        return store->reserve / 2;
    }
    return store->reserve + store->reserved_blocks;
}

/* What was set aside comes from places that nobody without a promise may take, and may use what
 * metadata has left of the reserve. */
static enum extent_use use_for(const struct store_image *image)
{
    return image_outstanding(&image->record) > 0 ? EXTENT_OVERWRITE : EXTENT_NORMAL;
}

uint64_t store_blocks_to_keep(const struct store *store, const struct store_image *image)
{
    return blocks_to_keep(store, use_for(image));
}

/* Gives the current extent of that use places, opening one first where there is none. Lets the lock
 * go. */
static int refill(struct store *store, enum extent_use use)
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
    r = store_take_backed_locked(store, x->blocks - e->count, blocks_to_keep(store, use), &first,
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

/* Takes up to `want` places, next to each other, for new content of these blocks. */
static int take_places(struct store *store, const struct store_image *image, struct lblock lblock,
                       unsigned want, struct extent_block *ret_block, unsigned *ret_count)
{
    enum extent_use use = use_for(image);
    unsigned tries = 0;

    for (;;) {
        int r = store_check_alive_locked(store);

        if (r < 0) {
            return r;
        }
        *ret_count = open_extents_take(&store->extents, use, want, ret_block);
        if (*ret_count > 0) {
            if (store->extents.current[use] == NULL) {
                store_wake_locked(store, STORE_WRITE_OUT);
            }
            return 0;
        }
        r = refill(store, use);
        if (r != -ENOSPC) {
            if (r < 0) {
                return r;
            }
            continue;
        }
        if (tries++ < 3 && store_make_room_locked(store)) {
            continue;
        }
        if (use == EXTENT_OVERWRITE) {
            return r;
        }
        do {
            r = owned_alone(store, image, lblock, want);
        } while (r == -EAGAIN && (r = store_provide_locked(store)) == 0);
        if (r <= 0) {
            return r < 0 ? r : varve_fail(ENOSPC, "the store is full");
        }
        use = EXTENT_OVERWRITE;
        tries = 0;
    }
}

/* Does the image alone refer to all of these? 1, 0 or -errno. Lets the lock go. */
static int all_owned_alone(struct store *store, const struct store_image *image,
                           struct lblock first, uint64_t count)
{
    while (count > 0) {
        unsigned piece = (unsigned)min_u64(count, REFS_PER_PAGE - key_index(first.n, 0));
        int r = owned_alone(store, image, first, piece);

        if (r == -EAGAIN) {
            r = store_provide_locked(store);
            if (r < 0) {
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

/* Map pages that a change of one leaf moves: the path to it, and the table's. */
enum { PAGES_PER_LEAF = 8 };

/* Is there room for the whole request? A large one is done leaf by leaf, and must not fail for want
 * of space half way. What others take meanwhile, it cannot know. Lets the lock go. */
static int room_for_all(struct store *store, const struct store_image *image, struct lblock first,
                        uint64_t count)
{
    const struct open_extent *open = store->extents.current[EXTENT_NORMAL];
    uint64_t leaves = (first.n + count - 1) / REFS_PER_PAGE - first.n / REFS_PER_PAGE + (count > 0);
    /* What the pages of the first piece take must not be missing for the second. */
    uint64_t pages = count > 1 ? leaves * PAGES_PER_LEAF : 0;

    /* A checkpoint between two pieces seals the open extent: its places count for one piece. */
    if (image_outstanding(&image->record) >= count ||
        (count <= 1 && open != NULL && open->count - open->taken >= count)) {
        return 0;
    }
    for (unsigned tries = 0; tries < 4; tries++) {
        if (space_totals(store->space).free >=
            blocks_to_keep(store, EXTENT_NORMAL) + count + pages) {
            return 0;
        }
        if (!store_make_room_locked(store)) {
            break;
        }
    }
    int r = all_owned_alone(store, image, first, count);
    return r > 0 ? 0 : r < 0 ? r : varve_fail(ENOSPC, "the store is full");
}

/* --- blocks ---- */

static void copy_and_sum(const struct store *store, struct extent_block block, unsigned count,
                         const uint8_t *from, uint8_t *crcs)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t *to = extent_bytes(block.extent, block.index + i);

        memcpy(to, from + (size_t)i * BLOCK_SIZE, BLOCK_SIZE);
        le32_store(crcs + 4 * (size_t)i,
                   crc32c_block(store->seed, extent_place(block.extent, block.index + i), to));
    }
}

/* Up to `count` blocks of one leaf; *ret_count says how many. */
static int write_piece(struct store *store, struct store_image *image, struct lblock first,
                       unsigned count, const uint8_t *buffer, unsigned *ret_count)
{
    struct extent_block block;
    uint8_t crcs[4 * REFS_PER_PAGE];

    pthread_mutex_lock(&store->lock);
    int r = take_places(store, image, first, count, &block, ret_count);
    pthread_mutex_unlock(&store->lock);
    if (r < 0) {
        return r;
    }
    copy_and_sum(store, block, *ret_count, buffer, crcs);
    struct journal_record record = {
        .kind = JOURNAL_WRITE,
        .image = image->number,
        .lblock = first,
        .pblock = extent_place(block.extent, block.index),
        .blocks = *ret_count,
        .crcs = crcs,
    };
    pthread_mutex_lock(&store->lock);
    r = store_change_locked(store, &record);
    for (unsigned i = 0; r < 0 && i < *ret_count; i++) {
        space_abandon(store->space, extent_place(block.extent, block.index + i));
    }
    open_extents_complete(&store->extents, block, *ret_count, r == 0);
    if (block.extent->state != EXTENT_OPEN) {
        /* perhaps its last block: it can be written out, and who waits for a free one may do it */
        store_wake_locked(store, STORE_WRITE_OUT);
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_write_blocks(struct store *store, struct store_image *image, struct lblock first,
                       uint64_t count, const uint8_t *buffer)
{
    while (count > 0) {
        unsigned want = (unsigned)min_u64(count, REFS_PER_PAGE - key_index(first.n, 0));
        unsigned done = 0;
        int r = 0;

        if (want >= store->straight_min) {
            r = store_write_straight(store, image, first, want, buffer, &done);
        }
        if (r == 0 && done == 0) {
            r = write_piece(store, image, first, want, buffer, &done);
        }
        if (r < 0) {
            return r;
        }
        first.n += done;
        count -= done;
        buffer += (size_t)done * BLOCK_SIZE;
    }
    return 0;
}

/* Part of a block: read, patch, write. `from` NULL: zeroes, and nothing is done where there is a
 * hole. */
static int write_part(struct store *store, struct store_image *image, struct lblock lblock,
                      unsigned start, unsigned end, const uint8_t *from)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    int r = store_read_blocks(store, image, lblock, 1, bytes);

    if (r < 0) {
        return r;
    }
    if (from != NULL) {
        memcpy(bytes + start, from, end - start);
    } else {
        memset(bytes + start, 0, end - start);
    }
    return store_write_blocks(store, image, lblock, 1, bytes);
}

/* --- the calls ---- */

static int begin_change(struct store *store, struct store_image *image, struct range *held,
                        uint64_t offset, uint64_t length)
{
    range_lock(&image->ranges, held, &store->lock, &store->changed);
    int r = store_check_alive_locked(store);

    if (r == 0 && (image->record.flags & STORE_IMAGE_FROZEN) != 0) {
        r = varve_fail(EPERM, "image %llu is frozen", (unsigned long long)image->number);
    }
    if (r == 0 && !byte_range_fits(image->record.size, offset, length)) {
        r = varve_fail(ENOSPC, "a write of %llu bytes at %llu is past the end",
                       (unsigned long long)length, (unsigned long long)offset);
    }
    return r;
}

/* Somebody's data is missing from now on. Where even this fails the store is at its end. Keeps the
 * line of what failed. */
static void mark_incomplete_locked(struct store *store, struct store_image *image, int failure)
{
    struct journal_record record = {.kind = JOURNAL_FLAGS,
                                    .image = image->number,
                                    .image_flags = image->record.flags | STORE_IMAGE_INCOMPLETE};
    char line[512];

    if (store->failed || (image->record.flags & STORE_IMAGE_INCOMPLETE) != 0) {
        return;
    }
    snprintf(line, sizeof line, "%s", varve_error());
    if (store_change_locked(store, &record) < 0) {
        (void)varve_fail(-failure, "%s", line);
    }
}

/* Lets the range go and commits for FUA. `begun`: the change was legal, so that a failure is ours.
 */
static int end_change(struct store *store, struct store_image *image, struct range *held, int r,
                      unsigned flags, bool begun)
{
    pthread_mutex_lock(&store->lock);
    if (r < 0 && begun) {
        mark_incomplete_locked(store, image, r);
    }
    range_unlock(&image->ranges, held, &store->changed);
    if (r == 0 && (flags & STORE_FUA) != 0) {
        r = store_commit_locked(store, log_head(&store->log));
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_write(struct store *store, struct store_image *image, const void *buffer, size_t length,
                uint64_t offset, unsigned flags)
{
    struct byte_range range = byte_range_of(offset, length);
    struct range held = {.start = range.start, .end = range.end, .alone = true};
    const uint8_t *from = buffer;

    if (length == 0) {
        return 0;
    }
    pthread_mutex_lock(&store->lock);
    int r = begin_change(store, image, &held, offset, length);
    bool begun = r == 0;
    if (r == 0) {
        r = room_for_all(store, image, lblock_at(range.start), range.end - range.start);
    }
    store->counters.writes++;
    store->counters.write_bytes += length;
    pthread_mutex_unlock(&store->lock);
    if (r == 0 && range.head_to > range.head_from) {
        r = write_part(store, image, range.head, range.head_from, range.head_to, from);
        from += range.head_to - range.head_from;
    }
    if (r == 0 && range.middle_count > 0) {
        r = store_write_blocks(store, image, range.middle, range.middle_count, from);
        from += range.middle_count << BLOCK_SHIFT;
    }
    if (r == 0 && range.tail_to > 0) {
        r = write_part(store, image, range.tail, 0, range.tail_to, from);
    }
    return end_change(store, image, &held, r, flags, begun);
}

int store_punch(struct store *store, struct store_image *image, struct lblock first, uint64_t count)
{
    int r = 0;

    pthread_mutex_lock(&store->lock);
    while (r == 0 && count > 0) {
        struct journal_record record = {
            .kind = JOURNAL_HOLE, .image = image->number, .lblock = first, .blocks = count};

        r = store_change_locked(store, &record);
        first.n += record.blocks;
        count -= record.blocks;
    }
    store_wake_locked(store, STORE_RECLAIM);
    pthread_mutex_unlock(&store->lock);
    return r;
}

static int is_hole(struct store *store, struct store_image *image, struct lblock lblock)
{
    struct store_extent extent;
    uint64_t offset = lblock.n << BLOCK_SHIFT;
    int r = store_extents(store, image, min_u64(BLOCK_SIZE, image->record.size - offset), offset,
                          &extent, 1);

    return r < 0 ? r : extent.hole;
}

int store_zero_part(struct store *store, struct store_image *image, struct lblock lblock,
                    unsigned start, unsigned end)
{
    int hole = is_hole(store, image, lblock);

    if (hole != 0) {
        return hole < 0 ? hole : 0;
    }
    return write_part(store, image, lblock, start, end, NULL);
}

int store_zero(struct store *store, struct store_image *image, uint64_t length, uint64_t offset,
               unsigned flags)
{
    struct byte_range range = byte_range_of(offset, length);
    struct range held = {.start = range.start, .end = range.end, .alone = true};

    if (length == 0) {
        return 0;
    }
    pthread_mutex_lock(&store->lock);
    int r = begin_change(store, image, &held, offset, length);
    bool begun = r == 0;
    store->counters.zeroes++;
    store->counters.zero_bytes += length;
    pthread_mutex_unlock(&store->lock);
    if (r == 0 && range.head_to > range.head_from) {
        r = store_zero_part(store, image, range.head, range.head_from, range.head_to);
    }
    if (r == 0 && range.middle_count > 0) {
        r = store_punch(store, image, range.middle, range.middle_count);
    }
    if (r == 0 && range.tail_to > 0) {
        r = store_zero_part(store, image, range.tail, 0, range.tail_to);
    }
    return end_change(store, image, &held, r, flags, begun);
}

int store_flush(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    store->counters.flushes++;
    int r = store_commit_locked(store, log_head(&store->log));
    pthread_mutex_unlock(&store->lock);
    return r;
}
