/*
 * The checkpoint: a point of the maps and counts goes to disk, beside the present one, while I/O
 * goes on.
 *
 *   IDLE -> freeze -> DATA -> CHECKSUMS -> PAGES -> COUNTS -> SUMMARIES -> SYNC -> SUPERBLOCKS ->
 * FINISH -> IDLE
 *
 * Nothing that the last durable checkpoint refers to is overwritten before the four superblocks of
 * the new one are durable: pages go to fresh places, counts and summaries to their other slots, and
 * freed blocks are held until FINISH. A phase that fails for want of space or with an error on a
 * page is tried again by the next step; a failed sync or superblock write fails the store.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "format/count_page.h"
#include "store/internal.h"

/* A checkpoint begins when this much of the journal is full, or so long after the last one. */
#define JOURNAL_FULL(ring)  ((ring)->blocks / 2)
#define CHECKPOINT_INTERVAL UINT64_C(5000000000)

static bool anything_to_do(const struct store *store)
{
    return page_cache_dirty_count(store->forest.cache) > 0 || space_totals(store->space).held > 0 ||
           space_totals(store->space).dirty_groups > 0 || ring_used(&store->ring) > 0;
}

bool store_checkpoint_due(const struct store *store)
{
    const struct checkpoint *c = &store->checkpoint;

    if (c->phase != CHECKPOINT_IDLE || c->wanted) {
        return true;
    }
    return page_cache_dirty_count(store->forest.cache) >= store->dirty_max ||
           ring_used(&store->ring) >= JOURNAL_FULL(&store->ring) ||
           (store->io->ops->now(store->io) - c->time >= CHECKPOINT_INTERVAL &&
            anything_to_do(store));
}

static int order_by_place(const void *a, const void *b)
{
    const struct page *x = *(struct page *const *)a;
    const struct page *y = *(struct page *const *)b;

    return x->at.n < y->at.n ? -1 : x->at.n > y->at.n;
}

/* Memory for the list of dirty pages, before the point of no return. */
static int have_page_list(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    uint64_t need = page_cache_dirty_count(store->forest.cache);

    if (need <= c->pages_room) {
        return 0;
    }
    need += need / 2 + 64;
    struct page **pages = memory_take(&store->memory, need * sizeof(struct page *));
    if (pages == NULL) {
        return varve_no_memory("the pages of a checkpoint");
    }
    memory_give(&store->memory, c->pages, c->pages_room * sizeof(struct page *));
    c->pages = pages;
    c->pages_room = need;
    return 0;
}

static void seal_extents(struct store *store)
{
    struct pblock first = {0};
    uint64_t count;

    for (enum extent_use use = 0; use < EXTENT_USES; use++) {
        while ((count = open_extents_seal(&store->extents, use, &first)) > 0) {
            space_untake(store->space, first, count);
        }
    }
}

/* A batch may be under way, or written early and not synced: it will stand behind the journal's new
 * start, with nothing but records that the checkpoint contains (README, invariant 14). */
static int freeze(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    int r = have_page_list(store);

    if (r < 0) {
        return r;
    }
    seal_extents(store);
    struct space_totals totals = space_totals(store->space);
    c->super = store->super;
    c->super.checkpoint++;
    c->super.lsn = log_head(&store->log);
    c->super.journal_start = store->ring.next;
    c->super.journal_seq = store->ring.seq;
    c->super.trash = store->forest.trash;
    c->super.next_image = store->next_image;
    c->super.used_blocks = totals.used;
    c->super.map_blocks = store->forest.map_blocks;
    c->super.mapped_blocks = store->mapped_blocks;
    c->super.logical_bytes = store->logical_bytes;
    c->super.reserved_blocks = store->reserved_blocks;
    c->super.shared_blocks = store->shared_blocks;
    c->super.table_root = slot_load(forest_table(&store->forest).root);
    c->super.trash_root = slot_load(forest_trash_tree(&store->forest).root);

    page_cache_freeze(store->forest.cache);
    space_freeze(store->space);
    store->epoch++;
    c->wanted = false;
    c->page_count = c->page_done = 0;
    for (unsigned rank = 0; rank < RANKS; rank++) {
        for (struct page *p = page_cache_frozen(store->forest.cache, rank); p != NULL;
             p = p->list_next) {
            c->pages[c->page_count++] = p;
        }
    }
    c->rank = 0;
    c->copy = 0;
    c->phase = CHECKPOINT_DATA;
    return 0;
}

/* All blocks that the frozen maps refer to are complete; those that are not written go out now. */
static int step_data(struct store *store, bool wait)
{
    int r = store_write_out_locked(store, true);

    if (r == -EAGAIN) {
        if (!wait) {
            return r;
        }
        pthread_cond_wait(&store->changed, &store->lock);
        return 0;
    }
    if (r == 0) {
        store->checkpoint.phase = CHECKPOINT_CHECKSUMS;
    }
    return r < 0 ? r : 0;
}

/* The checksums of all frozen pages of a rank. Frozen pages do not change, and nobody else reads
 * page->crc of one: no lock is needed while computing. */
static int step_checksums(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;

    if (c->rank < RANKS) {
        struct page *list = page_cache_frozen(store->forest.cache, c->rank);

        forest_fill_frozen(&store->forest, c->rank);
        pthread_mutex_unlock(&store->lock);
        for (struct page *p = list; p != NULL; p = p->list_next) {
            p->crc = crc32c_block(store->seed, p->at, p->bytes);
        }
        pthread_mutex_lock(&store->lock);
        c->rank++;
        return 0;
    }
    struct page roots = {.bytes = store->checkpoint_buffer};
    ref_store(roots.bytes, c->super.table_root);
    ref_store(roots.bytes + REF_BYTES, c->super.trash_root);
    forest_fill_slot(&store->forest, (struct slot){&roots, 0});
    forest_fill_slot(&store->forest, (struct slot){&roots, REF_BYTES});
    c->super.table_root = ref_load(roots.bytes);
    c->super.trash_root = ref_load(roots.bytes + REF_BYTES);
    forest_fill_dirty(&store->forest);
    images_fill(store);
    pthread_mutex_unlock(&store->lock);
    if (c->page_count > 0) {
        qsort(c->pages, c->page_count, sizeof(struct page *), order_by_place);
    }
    pthread_mutex_lock(&store->lock);
    c->phase = CHECKPOINT_PAGES;
    return 0;
}

/* Writes blocks that stand one after another in the buffer to their places, in runs. Lets the lock
 * go. */
static int write_blocks(struct store *store, const struct pblock *places, unsigned count)
{
    struct io_request requests[CHECKPOINT_BATCH];
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        if (i > 0 && places[i].n == places[i - 1].n + 1) {
            requests[n - 1].length += BLOCK_SIZE;
            continue;
        }
        requests[n++] = (struct io_request){
            .op = IO_WRITE,
            .file = IO_EXTENTS,
            .offset = pblock_offset(places[i]),
            .length = BLOCK_SIZE,
            .buffer = store->checkpoint_buffer + (size_t)i * BLOCK_SIZE,
        };
    }
    pthread_mutex_unlock(&store->lock);
    int r = store->io->ops->perform(store->io, requests, n);
    pthread_mutex_lock(&store->lock);
    store->counters.device_write_bytes += (uint64_t)count << BLOCK_SHIFT;
    if (r < 0) {
        return varve_fail(-r, "cannot write a checkpoint: %s", strerror(-r));
    }
    return 0;
}

static int step_pages(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    struct pblock places[CHECKPOINT_BATCH];
    unsigned n = 0;

    /* frozen: copying needs no lock, and the buffer is the stepping thread's */
    pthread_mutex_unlock(&store->lock);
    while (n < CHECKPOINT_BATCH && c->page_done + n < c->page_count) {
        const struct page *page = c->pages[c->page_done + n];

        memcpy(store->checkpoint_buffer + (size_t)n * BLOCK_SIZE, page->bytes, BLOCK_SIZE);
        places[n++] = page->at;
    }
    pthread_mutex_lock(&store->lock);
    if (n == 0) {
        c->phase = CHECKPOINT_COUNTS;
        return 0;
    }
    int r = write_blocks(store, places, n);
    if (r == 0) {
        c->page_done += n;
    }
    return r;
}

/* A count page that was encoded is off the list: when its write fails, the buffer is written again.
 */
static int step_counts(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    struct pblock *places = c->places;

    while (c->encoded < CHECKPOINT_BATCH) {
        uint64_t group;
        unsigned slot;
        const uint16_t *counts;

        if (!space_next_frozen(store->space, &group, &slot, &counts)) {
            break;
        }
        places[c->encoded] = layout_count_slot(group, slot);
        uint32_t crc =
            count_page_encode(store->seed, places[c->encoded], group, c->super.checkpoint, counts,
                              store->checkpoint_buffer + (size_t)c->encoded * BLOCK_SIZE);
        space_group_encoded(store->space, group, crc);
        c->encoded++;
    }
    if (c->encoded == 0) {
        c->phase = CHECKPOINT_SUMMARIES;
        return 0;
    }
    int r = write_blocks(store, places, c->encoded);
    if (r == 0) {
        c->encoded = 0;
    }
    return r;
}

static int step_summaries(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    struct summary_page page;
    unsigned slot;

    while (c->encoded < CHECKPOINT_BATCH &&
           space_next_summary(store->space, c->super.checkpoint, &page, &slot)) {
        struct pblock at = layout_summary_slot(page.supergroup, slot);
        uint32_t crc = summary_page_encode(
            store->seed, at, &page, store->checkpoint_buffer + (size_t)c->encoded * BLOCK_SIZE);

        c->places[c->encoded++] = at;
        space_summary_encoded(store->space, page.supergroup, crc);
    }
    if (c->encoded == 0) {
        /* the same moment for both: supergroups that are added later belong to the next checkpoint
         */
        c->super.supergroups = space_supergroups(store->space);
        c->super.summary_crc = space_summary_crc(store->space);
        c->write_seq = store->write_seq;
        c->phase = CHECKPOINT_SYNC;
        return 0;
    }
    int r = write_blocks(store, c->places, c->encoded);
    if (r == 0) {
        c->encoded = 0;
    }
    return r;
}

static int step_sync(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    struct io_request request = {.op = IO_SYNC, .file = IO_EXTENTS};

    c->write_seq = store->write_seq;
    pthread_mutex_unlock(&store->lock);
    int r = store->io->ops->perform(store->io, &request, 1);
    pthread_mutex_lock(&store->lock);
    if (r < 0) {
        return store_fail_locked(store, "syncing a checkpoint", r);
    }
    store->synced_seq = max_u64(store->synced_seq, c->write_seq);
    c->phase = CHECKPOINT_SUPERBLOCKS;
    return 0;
}

int store_write_superblock(struct io *io, const struct superblock *super, unsigned copy,
                           uint8_t *buffer)
{
    struct pblock at = layout_superblock(copy);
    struct io_request request = {.op = IO_WRITE,
                                 .file = IO_EXTENTS,
                                 .flags = IO_DURABLE,
                                 .offset = pblock_offset(at),
                                 .length = BLOCK_SIZE,
                                 .buffer = buffer};

    superblock_encode(super, at, buffer);
    return io->ops->perform(io, &request, 1);
}

static int step_superblocks(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;

    pthread_mutex_unlock(&store->lock);
    int r = store_write_superblock(store->io, &c->super, c->copy, store->checkpoint_buffer);
    pthread_mutex_lock(&store->lock);
    if (r == -ENOSPC) {
        return varve_fail(ENOSPC, "there is no space below for a superblock");
    }
    if (r < 0) {
        return store_fail_locked(store, "writing a superblock", r);
    }
    store->counters.device_write_bytes += BLOCK_SIZE;
    if (++c->copy == LAYOUT_SUPERBLOCK_COPIES) {
        c->phase = CHECKPOINT_FINISH;
    }
    return 0;
}

static void step_finish(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;

    /* a block in an extent that is still open must not get a second place in another */
    for (unsigned i = 0; i < store->extents.extents; i++) {
        const struct open_extent *e = &store->extents.extent[i];

        for (unsigned k = 0; e->state != EXTENT_FREE && k < e->taken; k++) {
            space_hold_longer(store->space, extent_place(e, k));
        }
    }
    page_cache_thaw(store->forest.cache);
    if (store->checking > 0) {
        space_hold_all_longer(store->space);
    }
    space_thaw(store->space);
    store->super = c->super;
    ring_release(&store->ring, c->super.journal_start);
    log_release(&store->log, c->super.lsn);
    c->phase = CHECKPOINT_IDLE;
    c->finished++;
    c->time = store->io->ops->now(store->io);
    store->counters.checkpoints++;
    store_wake_locked(store, STORE_DISCARD);
}

static int step(struct store *store, bool wait)
{
    switch (store->checkpoint.phase) {
    case CHECKPOINT_IDLE:
        return freeze(store);
    case CHECKPOINT_DATA:
        return step_data(store, wait);
    case CHECKPOINT_CHECKSUMS:
        return step_checksums(store);
    case CHECKPOINT_PAGES:
        return step_pages(store);
    case CHECKPOINT_COUNTS:
        return step_counts(store);
    case CHECKPOINT_SUMMARIES:
        return step_summaries(store);
    case CHECKPOINT_SYNC:
        return step_sync(store);
    case CHECKPOINT_SUPERBLOCKS:
        return step_superblocks(store);
    case CHECKPOINT_FINISH:
        step_finish(store);
        return 0;
    }
    assert(0 && "a checkpoint in no phase");
    return -EIO;
}

int store_checkpoint_step_locked(struct store *store, bool begin, bool wait)
{
    struct checkpoint *c = &store->checkpoint;
    int r = store_check_alive_locked(store);

    if (r < 0) {
        return r;
    }
    if (c->stepping || (c->paused && c->phase == CHECKPOINT_IDLE)) {
        if (wait) {
            pthread_cond_wait(&store->changed, &store->lock);
        }
        return wait;
    }
    if (c->phase == CHECKPOINT_IDLE && !begin) {
        return 0;
    }
    c->stepping = true;
    r = step(store, wait);
    c->stepping = false;
    pthread_cond_broadcast(&store->changed);
    if (r == -EAGAIN) {
        return 0;
    }
    return r < 0 ? r : 1;
}

int store_checkpoint_locked(struct store *store)
{
    struct checkpoint *c = &store->checkpoint;
    /* one that is under way may have frozen before this call: the one after it counts */
    uint64_t goal = c->finished + (c->phase == CHECKPOINT_IDLE ? 1 : 2);

    while (c->finished < goal) {
        int r = store_checkpoint_step_locked(store, true, true);

        if (r < 0) {
            return r;
        }
    }
    return 0;
}
