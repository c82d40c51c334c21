/* Open extents to their places on disk. */
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "store/internal.h"

enum { REQUESTS_MAX = 256, EXTENTS_AT_ONCE = 8 };

/* What one round writes. */
struct round {
    struct io_request requests[REQUESTS_MAX];
    uint8_t owner[REQUESTS_MAX]; /* index into extents */
    uint16_t first[REQUESTS_MAX], blocks[REQUESTS_MAX];
    unsigned count;
    struct open_extent *extents[EXTENTS_AT_ONCE];
    unsigned extent_count;
};

static bool unwritten(const struct open_extent *e, unsigned i)
{
    return (extent_unwritten(e, i / 64) >> (i % 64)) & 1;
}

/* Adds the runs of blocks that want writing and lie next to each other on disk. */
static void add_extent(struct round *round, struct open_extent *e)
{
    unsigned owner = round->extent_count;
    unsigned before = round->count;

    for (unsigned i = 0; i < e->taken && round->count < REQUESTS_MAX;) {
        unsigned n = 0;

        while (i + n < e->taken && unwritten(e, i + n) &&
               e->stage->at[i + n] == e->stage->at[i] + n) {
            n++;
        }
        if (n == 0) {
            i++;
            continue;
        }
        round->requests[round->count] =
            (struct io_request){.op = IO_WRITE,
                                .file = IO_EXTENTS,
                                .flags = e->large ? 0 : IO_BULK,
                                .offset = pblock_offset(extent_place(e, i)),
                                .length = (size_t)n << BLOCK_SHIFT,
                                .buffer = extent_bytes(e, i)};
        round->owner[round->count] = (uint8_t)owner;
        round->first[round->count] = (uint16_t)i;
        round->blocks[round->count] = (uint16_t)n;
        round->count++;
        i += n;
    }
    if (round->count > before) {
        e->writing = true;
        round->extents[round->extent_count++] = e;
    }
}

static bool choose(struct store *store, bool all, struct round *round)
{
    bool others = false;

    round->count = round->extent_count = 0;
    for (unsigned i = 0; i < store->extents.extents; i++) {
        struct open_extent *e = &store->extents.extent[i];

        if (e->state == EXTENT_SEALED || (all && e->state == EXTENT_OPEN)) {
            others |= e->writing;
            if (!e->writing && round->extent_count < EXTENTS_AT_ONCE) {
                add_extent(round, e);
            }
        }
    }
    return others;
}

static int finish(struct store *store, struct round *round)
{
    bool uncarried = false;
    int r = 0;

    for (unsigned k = 0; k < round->count; k++) {
        struct open_extent *e = round->extents[round->owner[k]];

        if (round->requests[k].result != 0) {
            r = round->requests[k].result;
            continue;
        }
        store->counters.device_write_bytes += round->requests[k].length;
        for (unsigned i = round->first[k]; i < round->first[k] + round->blocks[k]; i++) {
            e->written[i / 64] |= (uint64_t)1 << (i % 64);
            uncarried |= ((e->carried[i / 64] >> (i % 64)) & 1) == 0;
        }
    }
    store->write_seq += uncarried;
    for (unsigned i = 0; i < round->extent_count; i++) {
        round->extents[i]->writing = false;
        open_extents_retire(&store->extents, round->extents[i]);
    }
    pthread_cond_broadcast(&store->changed);
    /* blocks that became complete meanwhile, for whom nobody was woken */
    if (open_extents_full(&store->extents)) {
        store_wake_locked(store, STORE_WRITE_OUT);
    }
    return r;
}

int store_write_out_locked(struct store *store, bool all)
{
    struct round round;
    bool others = choose(store, all, &round);

    if (round.count == 0) {
        return others ? -EAGAIN : 0;
    }
    pthread_mutex_unlock(&store->lock);
    store->io->ops->perform(store->io, round.requests, round.count);
    pthread_mutex_lock(&store->lock);
    int r = finish(store, &round);
    if (r < 0) {
        return varve_fail(-r, "cannot write to the extents: %s", strerror(-r));
    }
    return 1;
}
