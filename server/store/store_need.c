/* Providing what the forest needs: pages, counts, places for new pages. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "format/count_page.h"
#include "store/internal.h"

/* Places for new pages are taken in runs, so that a checkpoint writes them in long pieces. */
enum { PLACES_AT_ONCE = 128, READ_TRIES = 3 };

int store_read_block(struct store *store, struct pblock at, uint8_t *buffer)
{
    int r = 0;

    for (unsigned try = 0; try < READ_TRIES; try++) {
        struct io_request request = {.op = IO_READ,
                                     .file = IO_EXTENTS,
                                     .flags = try > 0 ? IO_REREAD : 0,
                                     .offset = pblock_offset(at),
                                     .length = BLOCK_SIZE,
                                     .buffer = buffer};
        r = store->io->ops->perform(store->io, &request, 1);
        if (r == 0) {
            return 0;
        }
    }
    return varve_fail(EIO, "cannot read block %llu of the extents: %s", (unsigned long long)at.n,
                      strerror(-r));
}

static int damaged(struct store *store, struct pblock at, const char *what)
{
    pthread_mutex_lock(&store->lock);
    store->counters.checksum_errors++;
    pthread_mutex_unlock(&store->lock);
    return varve_fail(EIO, "%s at block %llu of the extents is damaged: its checksum is wrong",
                      what, (unsigned long long)at.n);
}

static int read_page(struct store *store, struct ref ref, uint8_t *buffer)
{
    for (unsigned try = 0; try < READ_TRIES; try++) {
        int r = store_read_block(store, ref.at, buffer);

        if (r < 0 || crc32c_block(store->seed, ref.at, buffer) == ref.crc) {
            return r;
        }
    }
    return damaged(store, ref.at, "a map page");
}

static int provide_page(struct store *store, struct ref ref, uint8_t rank)
{
    _Alignas(BLOCK_SIZE) uint8_t buffer[BLOCK_SIZE];

    pthread_mutex_unlock(&store->lock);
    int r = read_page(store, ref, buffer);
    pthread_mutex_lock(&store->lock);
    if (r < 0 || page_find(store->forest.cache, ref.at) != NULL ||
        (r = page_room(store->forest.cache, 1)) < 0) {
        return r;
    }
    struct page *page = page_add(store->forest.cache, ref.at, rank);
    memcpy(page->bytes, buffer, BLOCK_SIZE);
    page->crc = ref.crc;
    return 0;
}

static int read_counts(struct store *store, uint64_t group, struct group_summary summary,
                       uint16_t *counts)
{
    _Alignas(BLOCK_SIZE) uint8_t buffer[BLOCK_SIZE];
    struct pblock at = layout_count_slot(group, summary.slot);

    for (unsigned try = 0; try < READ_TRIES; try++) {
        int r = store_read_block(store, at, buffer);

        if (r < 0 ||
            count_page_decode(store->seed, at, group, summary.crc, buffer, counts) == NULL) {
            return r;
        }
    }
    return damaged(store, at, "a count page");
}

static int provide_group(struct store *store, uint64_t group)
{
    struct group_summary summary = space_group_on_disk(store->space, group);
    uint16_t counts[LAYOUT_GROUP_BLOCKS] = {0};
    int r = 0;

    if (summary.written) {
        pthread_mutex_unlock(&store->lock);
        r = read_counts(store, group, summary, counts);
        pthread_mutex_lock(&store->lock);
    }
    /* while the lock was let go another thread may have loaded it, changed it, and even seen it
     * written: then it is in memory or the summary differs, and what was read is of no use */
    struct group_summary now = space_group_on_disk(store->space, group);
    if (r < 0 || now.written != summary.written || now.slot != summary.slot ||
        now.crc != summary.crc) {
        return r;
    }
    return space_load(store->space, group, counts);
}

int store_take_locked(struct store *store, uint64_t want, uint64_t keep, struct pblock *ret_first,
                      uint64_t *ret_count)
{
    for (;;) {
        uint64_t group;
        int r = space_take(store->space, want, keep, ret_first, ret_count, &group);

        if (r != SPACE_NEED) {
            return r;
        }
        if ((r = provide_group(store, group)) < 0) {
            return r;
        }
    }
}

/* Space below for the whole group, its count slots and its supergroup's summaries: one call for 8
 * MiB, and the checkpoint finds room for the counts. */
static int back_group(struct io *io, uint64_t group, uint64_t total_blocks)
{
    struct pblock start = layout_count_slot(group, 0);
    uint64_t blocks = 2 + layout_group_size(group, total_blocks);
    struct pblock summary = layout_summary_slot(group / LAYOUT_SUPERGROUP_GROUPS, 0);
    int r = io->ops->allocate(io, IO_EXTENTS, pblock_offset(summary), 2 * BLOCK_SIZE);

    return r < 0 ? r
                 : io->ops->allocate(io, IO_EXTENTS, pblock_offset(start), blocks << BLOCK_SHIFT);
}

/* When there is too little for a group: the run, and the slots for its counts. */
static int back_run(struct io *io, uint64_t group, struct pblock first, uint64_t count)
{
    int r = io->ops->allocate(io, IO_EXTENTS, pblock_offset(layout_count_slot(group, 0)),
                              2 * BLOCK_SIZE);

    return r < 0 ? r
                 : io->ops->allocate(io, IO_EXTENTS, pblock_offset(first), count << BLOCK_SHIFT);
}

/* Has the taken run backed by space below. Read-only stores write nothing there. Lets the lock go.
 */
static int back_places(struct store *store, struct pblock first, uint64_t count)
{
    uint64_t total = store->super.limit_blocks;
    uint64_t group = 0;
    unsigned index;

    if (store->options.read_only || space_is_backed(store->space, first)) {
        return 0;
    }
    layout_locate(first, total, &group, &index);
    uint64_t discards = space_discards(store->space);
    pthread_mutex_unlock(&store->lock);
    int whole = back_group(store->io, group, total);
    int r = whole == -ENOSPC ? back_run(store->io, group, first, count) : whole;
    pthread_mutex_lock(&store->lock);
    if (whole == 0 && discards == space_discards(store->space)) {
        space_set_backed(store->space, first);
    }
    return r;
}

int store_take_backed_locked(struct store *store, uint64_t want, uint64_t keep,
                             struct pblock *ret_first, uint64_t *ret_count)
{
    store->last_take = store->io->ops->now(store->io);
    /* a run that cannot be backed is passed over: others are still backed from before */
    for (unsigned tries = 0;; tries++) {
        int r = store_take_locked(store, want, keep, ret_first, ret_count);

        if (r < 0) {
            return r;
        }
        r = back_places(store, *ret_first, *ret_count);
        if (r == 0) {
            return 0;
        }
        space_untake(store->space, *ret_first, *ret_count);
        if (r != -ENOSPC || tries >= store->places_tries) {
            return varve_fail(-r, "cannot get space for the extents from below: %s", strerror(-r));
        }
        store->no_space_below = true;
        space_skip(store->space);
    }
}

static int provide_places(struct store *store)
{
    struct pblock first;
    uint64_t count;
    int r = store_take_backed_locked(store, PLACES_AT_ONCE, 0, &first, &count);

    if (r < 0) {
        return r;
    }
    if (store->forest.places > 0) {
        /* another thread was quicker */
        space_untake(store->space, first, count);
        return 0;
    }
    forest_give_places(&store->forest, first, count);
    return 0;
}

int store_provide_locked(struct store *store)
{
    struct need need = store->forest.need;

    switch (need.kind) {
    case NEED_PAGE:
        return provide_page(store, need.ref, need.rank);
    case NEED_GROUP:
        return provide_group(store, need.group);
    case NEED_PLACE:
        return provide_places(store);
    case NEED_COPY:
        return varve_fail(ENOSPC, "block %llu of the extents is shared too often",
                          (unsigned long long)need.ref.at.n);
    }
    assert(0 && "a need of unknown kind");
    return -EIO;
}
