/*
 * Writing: the whole story, top to bottom. The range is locked; room for all of the request is made
 * sure of (store_room.c); the edges are read and patched; then, leaf by leaf: take places in the
 * open extent, copy and sum, and change the map with its record. Everything that can fail for want
 * of space does so before the first change. (Large pieces may do without the open extent:
 * store_write_straight.c.)
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/internal.h"
#include "store/store_data.h"

enum { CACHE_LINE = 64 };

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

/* --- blocks ---- */

/* What another thread wrote out last lies in that one's cache: fetched while the block before it is
 * summed, the copy of a large write takes a third less. */
static void expect_copy(uint8_t *to)
{
    for (unsigned i = 0; i < BLOCK_SIZE; i += CACHE_LINE) {
        __builtin_prefetch(to + i, 1);
    }
}

static void copy_and_sum(const struct store *store, struct extent_block block, unsigned count,
                         const uint8_t *from, uint8_t *crcs)
{
    for (unsigned i = 0; i < count; i++) {
        uint8_t *to = extent_bytes(block.extent, block.index + i);

        memcpy(to, from + (size_t)i * BLOCK_SIZE, BLOCK_SIZE);
        if (i + 1 < count) {
            expect_copy(to + BLOCK_SIZE);
        }
        le32_store(crcs + 4 * (size_t)i,
                   crc32c_block(store->seed, extent_place(block.extent, block.index + i), to));
    }
}

/* Up to `count` blocks of one leaf; *ret_count says how many. */
static int write_piece(struct store *store, struct store_image *image, struct lblock first,
                       unsigned count, const uint8_t *buffer, struct promise *promise,
                       unsigned *ret_count)
{
    struct extent_block block;
    uint8_t crcs[4 * REFS_PER_PAGE];

    pthread_mutex_lock(&store->lock);
    int r = store_take_places_locked(store, promise, count, &block, ret_count);
    if (r == 0) {
        block.extent->large |= count >= store->straight_min;
    }
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

static int write_blocks(struct store *store, struct store_image *image, struct lblock first,
                        uint64_t count, const uint8_t *buffer, struct promise *promise)
{
    while (count > 0) {
        unsigned want = (unsigned)min_u64(count, REFS_PER_PAGE - key_index(first.n, 0));
        unsigned done = 0;
        int r = 0;

        if (want >= store->straight_min && !store->options.stage_large) {
            r = store_write_straight(store, image, first, want, buffer, promise, &done);
        }
        if (r == 0 && done == 0) {
            r = write_piece(store, image, first, want, buffer, promise, &done);
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
                      unsigned start, unsigned end, const uint8_t *from, struct promise *promise)
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
    return write_blocks(store, image, lblock, 1, bytes, promise);
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
static int end_change(struct store *store, struct store_image *image, struct range *held,
                      struct promise promises[2], int r, unsigned flags, bool begun)
{
    pthread_mutex_lock(&store->lock);
    store_promise_end_locked(store, &promises[0]);
    store_promise_end_locked(store, &promises[1]);
    if (r < 0 && begun) {
        mark_incomplete_locked(store, image, r);
    }
    range_unlock(&image->ranges, held, &store->changed);
    if (r == 0 && (flags & STORE_FUA) != 0) {
        r = store_commit_locked(store, log_head(&store->log));
    } else if (r == 0) {
        store_commit_early_locked(store);
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
    struct promise promises[2] = {{0}, {0}};

    if (length == 0) {
        return 0;
    }
    pthread_mutex_lock(&store->lock);
    int r = begin_change(store, image, &held, offset, length);
    bool begun = r == 0;
    if (r == 0) {
        r = store_promise_locked(store, image, lblock_at(range.start), range.end - range.start,
                                 false, &promises[0]);
    }
    store->counters.writes++;
    store->counters.write_bytes += length;
    pthread_mutex_unlock(&store->lock);
    if (r == 0 && range.head_to > range.head_from) {
        r = write_part(store, image, range.head, range.head_from, range.head_to, from,
                       &promises[0]);
        from += range.head_to - range.head_from;
    }
    if (r == 0 && range.middle_count > 0) {
        r = write_blocks(store, image, range.middle, range.middle_count, from, &promises[0]);
        from += range.middle_count << BLOCK_SHIFT;
    }
    if (r == 0 && range.tail_to > 0) {
        r = write_part(store, image, range.tail, 0, range.tail_to, from, &promises[0]);
    }
    return end_change(store, image, &held, promises, r, flags, begun);
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
    struct promise promise = {0};
    int hole = is_hole(store, image, lblock);

    if (hole != 0) {
        return hole < 0 ? hole : 0;
    }
    pthread_mutex_lock(&store->lock);
    int r = store_promise_locked(store, image, lblock, 1, false, &promise);
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        r = write_part(store, image, lblock, start, end, NULL, &promise);
    }
    pthread_mutex_lock(&store->lock);
    store_promise_end_locked(store, &promise);
    pthread_mutex_unlock(&store->lock);
    return r;
}

/* Edges that are holes are nothing to do. */
static int leave_out_holes(struct store *store, struct store_image *image, struct byte_range *range)
{
    int hole = range->head_to > range->head_from ? is_hole(store, image, range->head) : 0;

    if (hole > 0) {
        range->head_to = range->head_from;
    }
    if (hole >= 0 && range->tail_to > 0) {
        hole = is_hole(store, image, range->tail);
        range->tail_to = hole > 0 ? 0 : range->tail_to;
    }
    return hole < 0 ? hole : 0;
}

/* All that a zeroing can lack is there, or nothing of it is done. */
static int zero_room_locked(struct store *store, struct store_image *image,
                            const struct byte_range *range, struct promise *ret_edges)
{
    bool is_part = range->end > range->start + 1;
    int r = 0;

    if (range->head_to > range->head_from) {
        r = store_promise_locked(store, image, range->head, 1, is_part, &ret_edges[0]);
    }
    if (r == 0 && range->tail_to > 0) {
        r = store_promise_locked(store, image, range->tail, 1, is_part, &ret_edges[1]);
    }
    return r == 0 ? store_prepare_zero_locked(store, image, range) : r;
}

int store_zero(struct store *store, struct store_image *image, uint64_t length, uint64_t offset,
               unsigned flags)
{
    struct byte_range range = byte_range_of(offset, length);
    struct range held = {.start = range.start, .end = range.end, .alone = true};
    struct promise edges[2] = {{0}, {0}};

    if (length == 0) {
        return 0;
    }
    pthread_mutex_lock(&store->lock);
    int r = begin_change(store, image, &held, offset, length);
    bool begun = r == 0;
    store->counters.zeroes++;
    store->counters.zero_bytes += length;
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        r = leave_out_holes(store, image, &range);
    }
    if (r == 0) {
        pthread_mutex_lock(&store->lock);
        r = zero_room_locked(store, image, &range, edges);
        pthread_mutex_unlock(&store->lock);
    }
    if (r == 0 && range.head_to > range.head_from) {
        r = write_part(store, image, range.head, range.head_from, range.head_to, NULL, &edges[0]);
    }
    if (r == 0 && range.middle_count > 0) {
        r = store_punch(store, image, range.middle, range.middle_count);
    }
    if (r == 0 && range.tail_to > 0) {
        r = write_part(store, image, range.tail, 0, range.tail_to, NULL, &edges[1]);
    }
    return end_change(store, image, &held, edges, r, flags, begun);
}

int store_flush(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    store->counters.flushes++;
    int r = store_commit_flush_locked(store);
    pthread_mutex_unlock(&store->lock);
    return r;
}
