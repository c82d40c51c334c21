/*
 * Group commit: the log becomes durable in batches in the journal's ring. One thread leads, the
 * others wait for it.
 *
 * With little data pending, the data travels inside the batch: one write and one sync for all.
 * Otherwise the data goes to its place first, and one sync of the extents runs beside the durable
 * write of the batch; recovery checks the data of the last batch, which no later one proves
 * durable.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "format/journal_batch.h"
#include "store/internal.h"

/* Complete blocks that are neither in place nor carried, at one point in time. */
struct due {
    uint64_t blocks[STAGE_EXTENTS_MAX][EXTENT_WORDS];
};

static void note_due(const struct store *store, struct due *due)
{
    memset(due, 0, sizeof *due);
    for (unsigned i = 0; i < store->extents.extents; i++) {
        const struct open_extent *e = &store->extents.extent[i];

        for (unsigned w = 0; e->state != EXTENT_FREE && w < EXTENT_WORDS; w++) {
            due->blocks[i][w] = extent_unwritten(e, w) & ~e->carried[w];
        }
    }
}

/* An extent that was freed meanwhile, and used again, has written what was due: then the bits that
 * are looked at belong to newer blocks, and waiting for those too is harmless. */
static bool is_due(const struct store *store, const struct due *due)
{
    for (unsigned i = 0; i < store->extents.extents; i++) {
        const struct open_extent *e = &store->extents.extent[i];

        for (unsigned w = 0; e->state != EXTENT_FREE && w < EXTENT_WORDS; w++) {
            if ((due->blocks[i][w] & extent_unwritten(e, w)) != 0) {
                return true;
            }
        }
    }
    return false;
}

static int write_due(struct store *store, bool wait)
{
    struct due due;

    note_due(store, &due);
    while (is_due(store, &due)) {
        int r = store_write_out_locked(store, true);

        if (r == -EAGAIN && wait) {
            pthread_cond_wait(&store->changed, &store->lock);
        } else if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int have_batch_buffer(struct store *store, size_t size)
{
    if (size <= store->batch_size) {
        return 0;
    }
    uint8_t *bytes = memory_take(&store->memory, size);
    if (bytes == NULL) {
        return varve_no_memory("a journal batch");
    }
    memory_give(&store->memory, store->batch, store->batch_size);
    store->batch = bytes;
    store->batch_size = size;
    return 0;
}

/* Puts the blocks that travel into the batch. Their extents are pinned, so that no place among them
 * can get another block before settle_travel. */
static void inline_blocks(struct store *store, const struct journal_batch *batch,
                          struct due *ret_travel)
{
    uint8_t *address = store->batch + journal_batch_addresses_at(batch);
    uint8_t *data = store->batch + journal_batch_data_at(batch);
    unsigned n = 0;

    note_due(store, ret_travel);
    for (unsigned k = 0; k < store->extents.extents; k++) {
        struct open_extent *e = &store->extents.extent[k];
        unsigned before = n;

        for (unsigned i = 0; i < e->taken && e->state != EXTENT_FREE; i++) {
            if ((ret_travel->blocks[k][i / 64] >> (i % 64)) & 1) {
                le64_store(address + 8 * (size_t)n, extent_place(e, i).n);
                memcpy(data + (size_t)n * BLOCK_SIZE, extent_bytes(e, i), BLOCK_SIZE);
                n++;
            }
        }
        e->pins += n > before;
    }
    assert(n == batch->inline_blocks);
}

/* With the batch durable, the places of the blocks inside need no sync before the next checkpoint.
 */
static void settle_travel(struct store *store, const struct due *travel, bool durable)
{
    for (unsigned k = 0; k < store->extents.extents; k++) {
        struct open_extent *e = &store->extents.extent[k];
        uint64_t any = 0;

        for (unsigned w = 0; w < EXTENT_WORDS; w++) {
            any |= travel->blocks[k][w];
            e->carried[w] |= durable ? travel->blocks[k][w] : 0;
        }
        if (any != 0) {
            e->pins--;
            open_extents_retire(&store->extents, e);
        }
    }
}

/* Builds the batch of [from, to) in the buffer. */
static int build(struct store *store, uint64_t from, uint64_t to, unsigned inlined,
                 struct journal_batch *ret_batch, struct due *ret_travel)
{
    struct journal_batch batch = {
        .seq = store->ring.seq,
        .session = store->super.session,
        .durable_seq = store->durable_seq,
        .checkpoint = store->super.checkpoint,
        .lsn = from,
        .record_bytes = (uint32_t)(to - from),
        .inline_blocks = inlined,
    };
    uint64_t blocks = journal_batch_blocks(batch.record_bytes, batch.inline_blocks);
    int r = have_batch_buffer(store, (size_t)(blocks << BLOCK_SHIFT));

    if (r < 0) {
        return r;
    }
    log_copy(&store->log, from, to, store->batch + JOURNAL_BATCH_HEADER_BYTES);
    memset(ret_travel, 0, sizeof *ret_travel);
    if (inlined > 0) {
        inline_blocks(store, &batch, ret_travel);
    }
    *ret_batch = batch;
    return 0;
}

/* Writes the batch at `at`, and syncs the extents beside it when they hold what it refers to. */
static int write_batch(struct store *store, const struct journal_batch *batch, uint64_t at)
{
    uint64_t blocks = journal_batch_blocks(batch->record_bytes, batch->inline_blocks);
    uint64_t write_seq = store->write_seq;
    struct io_request requests[2] = {
        {.op = IO_WRITE,
         .file = IO_JOURNAL,
         .flags = IO_DURABLE,
         .offset = at << BLOCK_SHIFT,
         .length = (size_t)(blocks << BLOCK_SHIFT),
         .buffer = store->batch},
        {.op = IO_SYNC, .file = IO_EXTENTS},
    };

    size_t count = write_seq != store->synced_seq ? 2 : 1;

    pthread_mutex_unlock(&store->lock);
    journal_batch_seal(store->seed, batch, store->batch);
    store->io->ops->perform(store->io, requests, count);
    pthread_mutex_lock(&store->lock);
    if (requests[1].result != 0) {
        return store_fail_locked(store, "syncing the extents", requests[1].result);
    }
    if (requests[0].result == -ENOSPC) {
        return varve_fail(ENOSPC, "there is no space below for the journal");
    }
    if (requests[0].result != 0) {
        return store_fail_locked(store, "writing the journal", requests[0].result);
    }
    store->synced_seq = max_u64(store->synced_seq, write_seq);
    store->durable_seq = batch->seq;
    ring_advance(&store->ring, at, blocks);
    log_release(&store->log, batch->lsn + batch->record_bytes);
    store->counters.device_write_bytes += requests[0].length;
    store->counters.commits++;
    return 0;
}

/* Makes everything that is published durable, in one batch or several. `committing` is ours. */
static int commit(struct store *store, bool wait)
{
    uint64_t head = log_head(&store->log);
    uint64_t batch_max = min_u64(store->ring.blocks / 8, 1024) << BLOCK_SHIFT;
    unsigned pending = open_extents_pending(&store->extents);
    /* What travels goes with its records, in one batch: recovery relies on it. A write-out that is
     * under way does not matter: what it has not finished travels like the rest, and it notes what
     * it finished uncarried. Waiting for it would cost each 256th flush of a block some
     * milliseconds. */
    bool travel = pending <= store->inline_max && store->write_seq == store->synced_seq &&
                  head - log_tail(&store->log) <= batch_max;

    if (!travel) {
        int r = write_due(store, wait);
        if (r < 0) {
            return r;
        }
        pending = 0;
    }
    while (log_tail(&store->log) < head) {
        uint64_t from = log_tail(&store->log);
        uint64_t to = min_u64(head, log_cut(&store->log, from, batch_max));
        uint64_t blocks = journal_batch_blocks((uint32_t)(to - from), pending);
        struct journal_batch batch;
        struct due travelling;
        uint64_t at;
        int r;

        if (!ring_place(&store->ring, blocks, &at)) {
            store->checkpoint.wanted = true;
            /* the checkpoint makes durable what the ring has no room for */
            return wait ? store_checkpoint_locked(store) : -EAGAIN;
        }
        if ((r = build(store, from, to, pending, &batch, &travelling)) < 0) {
            return r;
        }
        r = write_batch(store, &batch, at);
        settle_travel(store, &travelling, r == 0);
        if (r < 0) {
            return r;
        }
        pending = 0;
    }
    return 0;
}

int store_commit_once(struct store *store, bool wait)
{
    int r = store_check_alive_locked(store);

    if (r < 0) {
        return r;
    }
    if (store->committing) {
        if (!wait) {
            return -EAGAIN;
        }
        pthread_cond_wait(&store->changed, &store->lock);
        return 0;
    }
    store->committing = true;
    r = commit(store, wait);
    store->committing = false;
    store->last_commit = store->io->ops->now(store->io);
    if (store_checkpoint_due(store)) {
        store_wake_locked(store, STORE_CHECKPOINT);
    }
    store_wake_locked(store, STORE_COMMIT); /* nobody was woken for what came meanwhile */
    pthread_cond_broadcast(&store->changed);
    return r;
}

int store_commit_locked(struct store *store, uint64_t lsn)
{
    int r = store_check_alive_locked(store);

    while (r == 0 && log_tail(&store->log) < lsn) {
        r = store_commit_once(store, true);
    }
    return r;
}
