/* The background's steps, waiting for work, and the failed state. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "store/internal.h"

/* The log is committed when it is half full or its oldest record has waited so long. */
#define COMMIT_INTERVAL UINT64_C(1000000000)

/* Space is handed back when no new places were taken for so long: what is freed under a steady load
 * is taken again soon, and punching holes locks the file against the load's writes. */
#define DISCARD_QUIET UINT64_C(2000000000)

/* Freed runs shorter than this stay with the store. */
enum { DISCARD_BLOCKS_MIN = 16 };

int store_fail_locked(struct store *store, const char *what, int error)
{
    store->failed = true;
    stage_doubt(&store->stage);
    pthread_cond_broadcast(&store->changed);
    return varve_fail(EIO,
                      "%s failed: %s; nothing is written any more until the store is opened again",
                      what, strerror(error < 0 ? -error : error));
}

int store_check_alive_locked(const struct store *store)
{
    if (store->failed) {
        return varve_fail(EIO, "the store failed: nothing is written until it is opened again");
    }
    if (store->options.read_only && !store->replaying) {
        return varve_fail(EROFS, "the store is open for reading only");
    }
    return 0;
}

bool store_failed(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    bool failed = store->failed;
    pthread_mutex_unlock(&store->lock);
    return failed;
}

static bool commit_due(const struct store *store)
{
    uint64_t waiting = log_head(&store->log) - log_tail(&store->log);

    if (store->committing) {
        return false; /* who is at it says when it is done */
    }
    return waiting >= store->log.size / 2 ||
           (waiting > 0 && store->io->ops->now(store->io) - store->last_commit >= COMMIT_INTERVAL);
}

static int step_reclaim(struct store *store)
{
    bool idle = false;
    int r = forest_reclaim(&store->forest, &idle);

    if (r == FOREST_NEED) {
        r = store_provide_locked(store);
    }
    r = r < 0 ? r : store_check_counts_locked(store);
    if (r == 0 && idle) {
        return store_shares_step_locked(store, false);
    }
    store_shares_stale_locked(store);
    return r < 0 ? r : 1;
}

int store_discard_step_locked(struct store *store)
{
    struct pblock first;
    uint64_t count;

    /* when it is full below, what we give away may not come back; what is promised stays free */
    if (store->no_space_below || store->promised > 0 ||
        store->io->ops->now(store->io) - store->last_take < DISCARD_QUIET ||
        !space_take_discardable(store->space, DISCARD_BLOCKS_MIN, store->backed_min, &first,
                                &count)) {
        return 0;
    }
    pthread_mutex_unlock(&store->lock);
    int r =
        store->io->ops->discard(store->io, IO_EXTENTS, pblock_offset(first), count << BLOCK_SHIFT);
    pthread_mutex_lock(&store->lock);
    /* a hint: what cannot be handed back is not asked for again */
    space_discarded(store->space, first, count, true);
    return r < 0 && r != -ENOTSUP && r != -EOPNOTSUPP ? r : 1;
}

static int step_locked(struct store *store, enum store_work work)
{
    int r = store_check_alive_locked(store);

    if (r < 0) {
        return r;
    }
    switch (work) {
    case STORE_WRITE_OUT:
        return store_commit_carry_locked(store) ? store_write_out_locked(store, false) : 0;
    case STORE_COMMIT:
        if (!commit_due(store)) {
            return 0;
        }
        r = store_commit_once(store, false);
        return r < 0 ? r : 1;
    case STORE_CHECKPOINT:
        return store_checkpoint_step_locked(store, store_checkpoint_due(store), false);
    case STORE_RECLAIM:
        return step_reclaim(store);
    case STORE_DISCARD:
        return store_discard_step_locked(store);
    case STORE_WORKS:
        break;
    }
    assert(0 && "work of unknown kind");
    return -EINVAL;
}

int store_step(struct store *store, enum store_work work)
{
    pthread_mutex_lock(&store->lock);
    int r = step_locked(store, work);
    pthread_mutex_unlock(&store->lock);
    return r == -EAGAIN ? 0 : r;
}

static bool has_work(const struct store *store, enum store_work work)
{
    if (store->failed || store->options.read_only) {
        return false;
    }
    switch (work) {
    case STORE_WRITE_OUT:
        return open_extents_full(&store->extents) &&
               !(store->committing && open_extents_part_carried(&store->extents));
    case STORE_COMMIT:
        return commit_due(store);
    case STORE_RECLAIM:
        return store->forest.trash > 0 || store_shares_due(store, false);
    case STORE_CHECKPOINT: /* when it can go on, each commit wakes for it */
    case STORE_DISCARD:
    case STORE_WORKS:
        break;
    }
    return false;
}

void store_wait(struct store *store, enum store_work work, uint64_t nanoseconds)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    nanoseconds += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    pthread_mutex_lock(&store->lock);
    if (!has_work(store, work)) {
        pthread_cond_timedwait(&store->work[work], &store->lock, &until);
    }
    pthread_mutex_unlock(&store->lock);
}

/* Whose waiter does that work; see store_wait. */
static enum store_work waiter_for(enum store_work work)
{
    return work == STORE_DISCARD ? STORE_RECLAIM : work;
}

void store_wake_locked(struct store *store, enum store_work work)
{
    /* the log fills with every change: wake its thread only when there is enough */
    if (work != STORE_COMMIT || commit_due(store)) {
        pthread_cond_broadcast(&store->work[waiter_for(work)]);
    }
}

void store_wake_all(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    for (unsigned work = 0; work < STORE_WORKS; work++) {
        pthread_cond_broadcast(&store->work[work]);
    }
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
}

int store_checkpoint(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    int r = store_checkpoint_locked(store);
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_settle(struct store *store)
{
    int r = 0;

    pthread_mutex_lock(&store->lock);
    while (r >= 0 && (store->forest.trash > 0 || space_totals(store->space).held > 0 ||
                      store_shares_due(store, true))) {
        r = step_reclaim(store);
        if (r == 0) {
            r = store_shares_step_locked(store, true);
        }
        if (r == 0) {
            r = store_checkpoint_locked(store);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return r < 0 ? r : 0;
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    pthread_mutex_lock(&store->lock);
    struct space_totals totals = space_totals(store->space);

    *ret_stats = store->counters;
    ret_stats->limit_bytes = store->super.limit_blocks << BLOCK_SHIFT;
    ret_stats->file_bytes = store->io->ops->size(store->io, IO_EXTENTS);
    ret_stats->logical_bytes = store->logical_bytes;
    ret_stats->mapped_bytes = store->mapped_blocks << BLOCK_SHIFT;
    ret_stats->used_bytes = totals.used << BLOCK_SHIFT;
    ret_stats->free_bytes = totals.free << BLOCK_SHIFT;
    ret_stats->held_bytes = totals.held << BLOCK_SHIFT;
    ret_stats->reserve_bytes = (store->reserve + store_set_aside_locked(store)) << BLOCK_SHIFT;
    ret_stats->metadata_bytes = store->forest.map_blocks << BLOCK_SHIFT;
    ret_stats->journal_bytes = store->ring.blocks << BLOCK_SHIFT;
    ret_stats->journal_used_bytes = ring_used(&store->ring) << BLOCK_SHIFT;
    ret_stats->checkpoints = store->super.checkpoint;
    ret_stats->checkpoint_time = store->checkpoint.time;
    ret_stats->dirty_bytes = (page_cache_dirty_count(store->forest.cache) +
                              page_cache_frozen_count(store->forest.cache) + totals.dirty_groups)
                             << BLOCK_SHIFT;
    ret_stats->reclaim_pending = store->forest.trash;
    ret_stats->cache_bytes =
        page_cache_count(store->forest.cache) * BLOCK_SIZE + totals.resident_groups * 5120;
    ret_stats->failed = store->failed;
    pthread_mutex_unlock(&store->lock);
}
