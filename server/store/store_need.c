/* Providing what the forest needs: pages, counts, places for new pages. */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "format/count_page.h"
#include "store/internal.h"
#include "store/scrub.h"
#include "store/store_data.h"

/* Places for new pages are taken in runs, so that a checkpoint writes them in long pieces. */
enum { PLACES_AT_ONCE = 128, PLACES_SCARCE = 8, READ_TRIES = 3 };

int store_fetch_block(struct store *store, struct pblock at, unsigned flags, uint8_t *buffer)
{
    struct io_request request = {.op = IO_READ,
                                 .file = IO_EXTENTS,
                                 .flags = flags,
                                 .offset = pblock_offset(at),
                                 .length = BLOCK_SIZE,
                                 .buffer = buffer};

    return store->io->ops->perform(store->io, &request, 1);
}

int store_read_block(struct store *store, struct pblock at, uint8_t *buffer)
{
    int r = 0;

    for (unsigned try = 0; try < READ_TRIES; try++) {
        r = store_fetch_block(store, at, try > 0 ? IO_REREAD : 0, buffer);
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

int store_provide_group_locked(struct store *store, uint64_t group)
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

        if (r == 0) {
            scrub_forget_locked(store, *ret_first, *ret_count);
        }
        if (r != SPACE_NEED) {
            return r;
        }
        if ((r = store_provide_group_locked(store, group)) < 0) {
            return r;
        }
    }
}

/* As long as there is plenty, many at once; when what is free is kept for something, few, so that
 * no places lie idle that others miss. */
static uint64_t places_to_take(const struct store *store)
{
    uint64_t kept = store->reserve + store_set_aside_locked(store) + store_promised_locked(store);
    uint64_t free = space_totals(store->space).free;
    uint64_t plenty = free > kept ? free - kept : 0;

    return min_u64(max_u64(plenty, PLACES_SCARCE), PLACES_AT_ONCE);
}

static int provide_places(struct store *store, uint64_t keep)
{
    struct pblock first;
    uint64_t count;
    int r = store_take_backed_locked(store, TAKE_FOR_PAGES, places_to_take(store),
                                     keep + store_promised_locked(store), &first, &count);

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

int store_shared_too_often(struct pblock block)
{
    return varve_fail(ENOSPC,
                      "block %llu of the extents has %u references, the most there can be: delete "
                      "snapshots or clones that share it",
                      (unsigned long long)block.n, COUNT_MAX);
}

int store_provide_locked(struct store *store)
{
    return store_provide_keeping_locked(store, 0);
}

int store_provide_keeping_locked(struct store *store, uint64_t keep)
{
    struct need need = store->forest.need;

    switch (need.kind) {
    case NEED_PAGE:
        return provide_page(store, need.ref, need.rank);
    case NEED_GROUP:
        return store_provide_group_locked(store, need.group);
    case NEED_PLACE:
        return provide_places(store, keep);
    case NEED_COPY:
        return store_shared_too_often(need.ref.at);
    }
    assert(0 && "a need of unknown kind");
    return -EIO;
}

void store_walk_on_locked(struct store *store, unsigned *steps)
{
    enum { STEPS_AT_ONCE = 64 }; /* leaves: some tens of microseconds */

    if (++*steps % STEPS_AT_ONCE != 0) {
        return;
    }
    pthread_mutex_unlock(&store->lock);
    sched_yield();
    pthread_mutex_lock(&store->lock);
}
