/*
 * Large writes go straight to places of their own, out of the client's buffer: no copy in the
 * stage. They are in the page cache before their record is published, so that a server's death
 * loses none; a power cut loses them like all that was written to its place and not synced, and
 * the next commit syncs them beside its batch (write_seq).
 */
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/store_data.h"

/* A run of places. They are ours alone until they are claimed or given up. */
struct run {
    struct pblock first;
    uint64_t count;
};

/* *ret_run is empty when there is no run that is worth it: whatever is to be done about that, the
 * way through an open extent does. */
static int take_run(struct store *store, struct promise *promise, unsigned want,
                    struct run *ret_run)
{
    struct run run;
    int r = store_check_alive_locked(store);

    *ret_run = (struct run){.count = 0};
    if (r < 0) {
        return r;
    }
    r = store_take_run_locked(store, promise, want, &run.first, &run.count);
    if (r < 0) {
        return r == -ENOSPC ? 0 : r;
    }
    if (run.count < min_u64(want, store->straight_min)) {
        store_untake_run_locked(store, promise, run.first, run.count);
        return 0;
    }
    *ret_run = run;
    return 0;
}

static void sum_run(const struct store *store, struct run run, const uint8_t *from, uint8_t *crcs)
{
    for (uint64_t i = 0; i < run.count; i++) {
        struct pblock at = pblock_at(run.first.n + i);

        le32_store(crcs + 4 * i, crc32c_block(store->seed, at, from + (i << BLOCK_SHIFT)));
    }
}

static int write_run(struct store *store, struct run run, const uint8_t *from)
{
    struct io_request request = {.op = IO_WRITE,
                                 .file = IO_EXTENTS,
                                 .offset = pblock_offset(run.first),
                                 .length = (size_t)run.count << BLOCK_SHIFT,
                                 .buffer = (void *)(uintptr_t)from};
    int r = store->io->ops->perform(store->io, &request, 1);

    return r == 0 ? 0 : varve_fail(-r, "cannot write to the extents: %s", strerror(-r));
}

int store_write_straight(struct store *store, struct store_image *image, struct lblock first,
                         unsigned count, const uint8_t *buffer, struct promise *promise,
                         unsigned *ret_count)
{
    uint8_t crcs[4 * REFS_PER_PAGE];
    struct run run;

    pthread_mutex_lock(&store->lock);
    int r = take_run(store, promise, count, &run);
    pthread_mutex_unlock(&store->lock);
    *ret_count = (unsigned)run.count;
    if (r < 0 || run.count == 0) {
        return r;
    }
    sum_run(store, run, buffer, crcs);
    r = write_run(store, run, buffer);
    struct journal_record record = {
        .kind = JOURNAL_WRITE,
        .image = image->number,
        .lblock = first,
        .pblock = run.first,
        .blocks = run.count,
        .crcs = crcs,
    };
    pthread_mutex_lock(&store->lock);
    if (r == 0) {
        /* before the record: a batch that holds it finds that there is something to sync */
        store->write_seq++;
        store->counters.device_write_bytes += run.count << BLOCK_SHIFT;
        r = store_change_locked(store, &record);
    }
    for (uint64_t i = 0; r < 0 && i < run.count; i++) {
        space_abandon(store->space, pblock_at(run.first.n + i));
    }
    pthread_mutex_unlock(&store->lock);
    return r;
}
