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

/* Complete blocks that are neither in place nor carried. */
static void note_due(const struct store *store, struct extent_blocks *due)
{
    memset(due, 0, sizeof *due);
    for (unsigned i = 0; i < store->extents.extents; i++) {
        const struct open_extent *e = &store->extents.extent[i];

        due->opened[i] = e->opened;
        for (unsigned w = 0; e->state != EXTENT_FREE && w < EXTENT_WORDS; w++) {
            due->blocks[i][w] = extent_unwritten(e, w) & ~e->carried[w];
        }
    }
}

/* An extent that was freed meanwhile, and used again, has written what was due: then the bits that
 * are looked at belong to newer blocks, and waiting for those too is harmless. */
static bool is_due(const struct store *store, const struct extent_blocks *due)
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
    struct extent_blocks due;

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

/* Copies the blocks that travel into the batch. */
static void inline_blocks(struct store *store, const struct journal_batch *batch,
                          struct extent_blocks *ret_travel)
{
    uint8_t *address = store->batch + journal_batch_addresses_at(batch);
    uint8_t *data = store->batch + journal_batch_data_at(batch);
    unsigned n = 0;

    note_due(store, ret_travel);
    for (unsigned k = 0; k < store->extents.extents; k++) {
        const struct open_extent *e = &store->extents.extent[k];

        for (unsigned i = 0; i < e->taken && e->state != EXTENT_FREE; i++) {
            if ((ret_travel->blocks[k][i / 64] >> (i % 64)) & 1) {
                le64_store(address + 8 * (size_t)n, extent_place(e, i).n);
                memcpy(data + (size_t)n * BLOCK_SIZE, extent_bytes(e, i), BLOCK_SIZE);
                n++;
            }
        }
    }
    assert(n == batch->inline_blocks);
}

/* With the batch durable, the places of the blocks inside need no sync before the next checkpoint.
 * An extent that was opened again meanwhile has put them there, and noted that a sync is due. */
static void settle_travel(struct store *store, const struct extent_blocks *travel)
{
    for (unsigned k = 0; k < store->extents.extents; k++) {
        struct open_extent *e = &store->extents.extent[k];

        for (unsigned w = 0; e->opened == travel->opened[k] && w < EXTENT_WORDS; w++) {
            e->carried[w] |= travel->blocks[k][w];
        }
    }
}

/* Builds the batch of [from, to) in the buffer, for the place `at` of the ring. */
static int build(struct store *store, uint64_t from, uint64_t to, unsigned inlined, uint64_t at,
                 struct batch_under_way *ret_way)
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
    memset(&ret_way->travel, 0, sizeof ret_way->travel);
    if (inlined > 0) {
        inline_blocks(store, &batch, &ret_way->travel);
    }
    ret_way->batch = batch;
    ret_way->at = at;
    ret_way->write_seq = store->write_seq;
    return 0;
}

static struct io_request batch_request(const struct store *store, const struct batch_under_way *way,
                                       unsigned flags)
{
    uint64_t blocks = journal_batch_blocks(way->batch.record_bytes, way->batch.inline_blocks);

    return (struct io_request){.op = IO_WRITE,
                               .file = IO_JOURNAL,
                               .flags = flags,
                               .offset = way->at << BLOCK_SHIFT,
                               .length = (size_t)(blocks << BLOCK_SHIFT),
                               .buffer = store->batch};
}

static void batch_is_durable(struct store *store, const struct batch_under_way *way)
{
    const struct journal_batch *batch = &way->batch;
    uint64_t blocks = journal_batch_blocks(batch->record_bytes, batch->inline_blocks);

    store->synced_seq = max_u64(store->synced_seq, way->write_seq);
    store->durable_seq = batch->seq;
    ring_advance(&store->ring, way->at, blocks);
    log_release(&store->log, batch->lsn + batch->record_bytes);
    store->counters.device_write_bytes += blocks << BLOCK_SHIFT;
    store->counters.commits++;
    settle_travel(store, &way->travel);
}

/* Writes the batch, and syncs the extents beside it when they hold what it refers to. */
static int write_batch(struct store *store, const struct batch_under_way *way)
{
    struct io_request requests[2] = {
        batch_request(store, way, IO_DURABLE),
        {.op = IO_SYNC, .file = IO_EXTENTS},
    };
    size_t count = way->write_seq != store->synced_seq ? 2 : 1;

    pthread_mutex_unlock(&store->lock);
    journal_batch_seal(store->seed, &way->batch, store->batch);
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
    batch_is_durable(store, way);
    return 0;
}

/* The second half of a batch that was written early. `committing` is ours. */
static int sync_early(struct store *store)
{
    struct io_request request = {.op = IO_SYNC, .file = IO_JOURNAL};

    pthread_mutex_unlock(&store->lock);
    int r = store->io->ops->perform(store->io, &request, 1);
    pthread_mutex_lock(&store->lock);
    store->early.active = false;
    if (r < 0) {
        return store_fail_locked(store, "syncing the journal", r);
    }
    batch_is_durable(store, &store->early.way);
    return 0;
}

static uint64_t batch_bytes_max(const struct store *store)
{
    return min_u64(store->ring.blocks / 8, 1024) << BLOCK_SHIFT;
}

/* What travels goes with its records, in one batch: recovery relies on it. A write-out that is
 * under way does not matter: what it has not finished travels like the rest, and it notes what it
 * finished uncarried. Waiting for it would cost each 256th flush of a block some milliseconds. */
static bool can_travel(const struct store *store, unsigned pending)
{
    return pending <= store->inline_max && store->write_seq == store->synced_seq &&
           log_head(&store->log) - log_tail(&store->log) <= batch_bytes_max(store);
}

/* Makes everything that is published durable, in one batch or several. `committing` is ours. */
static int commit(struct store *store, bool wait)
{
    int r = store->early.active ? sync_early(store) : 0;
    uint64_t head = log_head(&store->log);
    unsigned pending = open_extents_pending(&store->extents);

    if (r < 0 || log_tail(&store->log) == head) {
        return r;
    }
    if (!can_travel(store, pending)) {
        if ((r = write_due(store, wait)) < 0) {
            return r;
        }
        pending = 0;
    }
    while (log_tail(&store->log) < head) {
        uint64_t from = log_tail(&store->log);
        uint64_t to = min_u64(head, log_cut(&store->log, from, batch_bytes_max(store)));
        uint64_t blocks = journal_batch_blocks((uint32_t)(to - from), pending);
        struct batch_under_way way;
        uint64_t at;

        if (!ring_place(&store->ring, blocks, &at)) {
            store->checkpoint.wanted = true;
            /* the checkpoint makes durable what the ring has no room for */
            return wait ? store_checkpoint_locked(store) : -EAGAIN;
        }
        if ((r = build(store, from, to, pending, at, &way)) < 0 ||
            (r = write_batch(store, &way)) < 0) {
            return r;
        }
        pending = 0;
    }
    return 0;
}

static void write_early(struct store *store, unsigned pending, uint64_t at)
{
    struct early_batch *early = &store->early;

    if (build(store, log_tail(&store->log), log_head(&store->log), pending, at, &early->way) < 0) {
        return;
    }
    store->committing = true;
    struct io_request request = batch_request(store, &early->way, IO_EARLY);
    pthread_mutex_unlock(&store->lock);
    journal_batch_seal(store->seed, &early->way.batch, store->batch);
    int r = store->io->ops->perform(store->io, &request, 1);
    pthread_mutex_lock(&store->lock);
    store->committing = false;
    early->active = r == 0; /* else the next commit writes it anew, and finds out */
    pthread_cond_broadcast(&store->changed);
}

/*
 * A client that waits for each of its blocks sends a write, takes the answer, sends a flush, and
 * waits. While it does the first three the disk could work already: when the flush is to be
 * expected, the batch is written before the write is answered, and only a sync is left for the
 * flush. Until that sync nothing counts on the batch; it is a commit that takes its time.
 */
void store_commit_early_locked(struct store *store)
{
    struct early_batch *early = &store->early;
    uint64_t bytes = log_head(&store->log) - log_tail(&store->log);
    uint64_t at;

    if (!flush_pattern_change(&early->pattern, store->options.early_after)) {
        return;
    }
    unsigned pending = open_extents_pending(&store->extents);
    if (!early->active && !store->committing && !store->failed && pending > 0 && bytes > 0 &&
        can_travel(store, pending) &&
        ring_place(&store->ring, journal_batch_blocks((uint32_t)bytes, pending), &at)) {
        write_early(store, pending, at);
    }
}

int store_commit_flush_locked(struct store *store)
{
    struct early_batch *early = &store->early;
    uint64_t head = log_head(&store->log);
    bool in_vain = early->active && early->way.batch.lsn + early->way.batch.record_bytes < head;

    flush_pattern_flush(&early->pattern, in_vain);
    return store_commit_locked(store, head);
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
    if (open_extents_full(&store->extents)) {
        store_wake_locked(store, STORE_WRITE_OUT);
    }
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

/* What is written to its place before a batch carries it makes the next commit sync the extents,
 * which just got a full one: milliseconds, for which a client waits. When flushes come often the
 * last few blocks are all that is missing. A commit that is under way may have begun before them,
 * the one after it has not: so this ends. */
bool store_commit_carry_locked(struct store *store)
{
    if (store->failed || !open_extents_part_carried(&store->extents) ||
        !can_travel(store, open_extents_pending(&store->extents))) {
        return true;
    }
    return store_commit_once(store, false) != -EAGAIN || !store->committing;
}
