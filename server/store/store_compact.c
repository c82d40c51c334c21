/*
 * One leaf at a time: survey it, and if its blocks are scattered, hold its range, take places,
 * read, write, and map. Between the survey and the mapping the lock is let go, so each record says
 * where its blocks lay, and is no change when that is not so any more (store_change.c).
 *
 * The data goes straight to its place and not through an open extent: it is durable before or with
 * the records, as write_seq says, and a process that dies leaves it in the page cache.
 */
#include "store/store_compact.h"

#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/internal.h"
#include "store/store_data.h"

enum {
    LEAVES_AT_ONCE = 256, /* surveyed in one step when there is nothing to move */
    LONG_ENOUGH = 64,     /* blocks: a leaf whose runs are that long on average is in order */
    RUN_MIN = 16,         /* blocks: shorter runs of free space are passed over ... */
    SHORT_RUNS_MAX = 32,  /* ... that often for each leaf */
    MAKE_ROOM_TRIES = 2,
};

struct store_compaction {
    struct store *store;
    struct store_image *image;
    uint64_t key;    /* the leaf that comes next */
    uint8_t *buffer; /* a leaf's blocks */
    struct store_compaction_state state;
};

/* What a leaf holds that may be moved. */
struct survey {
    uint64_t span;                   /* keys from its start on that it is about */
    uint64_t shared;                 /* blocks that others refer to as well */
    unsigned count, runs;            /* blocks that nothing else refers to */
    unsigned index[REFS_PER_PAGE];   /* of each, in the leaf */
    struct pblock at[REFS_PER_PAGE]; /* where each lies */
    struct pblock to[REFS_PER_PAGE]; /* where it goes */
    uint8_t crcs[4 * REFS_PER_PAGE]; /* there */
};

/* --- survey ---- */

/* 0, FOREST_NEED or -errno. */
static int survey_now(struct store_compaction *c, struct survey *survey)
{
    struct store *store = c->store;
    struct forest_root root = {c->image->record.root, c->image->record.level};
    struct forest_alone alone;
    int r = forest_find_alone(&store->forest, root, RANK_IMAGE, c->key, &alone);

    survey->count = survey->runs = 0;
    survey->shared = r == 0 && alone.shared ? alone.mapped : 0;
    survey->span = r == 0 ? alone.span : 0;
    if (r != 0 || alone.leaf == NULL) {
        return r;
    }
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref ref = ref_load(alone.leaf->bytes + (size_t)i * REF_BYTES);
        unsigned n = survey->count;

        if (ref.kind != REF_HERE) {
            continue;
        }
        if ((r = forest_ready(&store->forest, ref.at)) != 0) {
            return r;
        }
        if (space_count(store->space, ref.at) > 1) {
            survey->shared++;
            continue;
        }
        survey->runs += n == 0 || survey->at[n - 1].n + 1 != ref.at.n;
        survey->index[n] = i;
        survey->at[n] = ref.at;
        survey->count++;
    }
    return 0;
}

static int survey_locked(struct store_compaction *c, struct survey *survey)
{
    int r;

    while ((r = survey_now(c, survey)) == FOREST_NEED) {
        if ((r = store_provide_locked(c->store)) < 0) {
            return r;
        }
    }
    return r;
}

static bool is_scattered(const struct survey *survey)
{
    return survey->runs > 1 && survey->count < survey->runs * (unsigned)LONG_ENOUGH;
}

/* --- places ---- */

static void give_back(struct store *store, const struct survey *survey, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        space_untake(store->space, survey->to[i], 1);
    }
}

/* A run of free space, not a short one if that can be helped. Lets the lock go. */
static int take_run(struct store *store, unsigned want, unsigned *short_runs,
                    struct pblock *ret_first, uint64_t *ret_count)
{
    unsigned room_tries = 0;

    for (;;) {
        uint64_t keep =
            store->reserve + store_set_aside_locked(store) + store_promised_locked(store);
        int r = store_check_alive_locked(store);

        if (r < 0) {
            return r;
        }
        r = store_take_backed_locked(store, TAKE_FOR_DATA, want, keep, ret_first, ret_count);
        if (r == -ENOSPC && room_tries++ < MAKE_ROOM_TRIES && store_make_room_locked(store)) {
            continue;
        }
        if (r < 0 || *ret_count >= min_u64(want, RUN_MIN) || *short_runs == SHORT_RUNS_MAX) {
            return r;
        }
        ++*short_runs;
        space_untake(store->space, *ret_first, *ret_count);
        space_skip(store->space);
    }
}

/* Takes a place for each block. 1, 0 when that would not make half as many runs, or -errno. */
static int take_places(struct store *store, struct survey *survey)
{
    unsigned taken = 0;
    unsigned runs = 0;
    unsigned short_runs = 0;

    while (taken < survey->count) {
        struct pblock first;
        uint64_t count;
        int r = ++runs * 2 > survey->runs
                    ? 0
                    : take_run(store, survey->count - taken, &short_runs, &first, &count);

        if (r < 0 || runs * 2 > survey->runs) {
            give_back(store, survey, taken);
            return r;
        }
        for (uint64_t i = 0; i < count; i++) {
            survey->to[taken++] = pblock_at(first.n + i);
        }
    }
    return 1;
}

/* --- moving ---- */

/* How many blocks from `i` on lie next to each other in the leaf and in their new places. */
static unsigned run_of(const struct survey *survey, unsigned i)
{
    unsigned n = 1;

    while (i + n < survey->count && survey->index[i + n] == survey->index[i] + n &&
           survey->to[i + n].n == survey->to[i].n + n) {
        n++;
    }
    return n;
}

/* Reads what lies between the first and the last block, which verifies it, and writes the blocks to
 * their new places. Holds no lock. */
static int copy(struct store_compaction *c, struct survey *survey)
{
    struct store *store = c->store;
    struct io_request requests[REFS_PER_PAGE];
    unsigned first = survey->index[0];
    unsigned count = survey->index[survey->count - 1] - first + 1;
    size_t requested = 0;
    int r = store_read_blocks(store, c->image, lblock_at(c->key + first), count, c->buffer);

    for (unsigned i = 0, n; r == 0 && i < survey->count; i += n) {
        uint8_t *bytes = c->buffer + (size_t)(survey->index[i] - first) * BLOCK_SIZE;

        n = run_of(survey, i);
        for (unsigned k = 0; k < n; k++) {
            le32_store(
                survey->crcs + 4 * (size_t)(i + k),
                crc32c_block(store->seed, survey->to[i + k], bytes + (size_t)k * BLOCK_SIZE));
        }
        requests[requested++] = (struct io_request){.op = IO_WRITE,
                                                    .file = IO_EXTENTS,
                                                    .flags = IO_BULK,
                                                    .offset = pblock_offset(survey->to[i]),
                                                    .length = (size_t)n * BLOCK_SIZE,
                                                    .buffer = bytes};
    }
    if (r == 0 && (r = store->io->ops->perform(store->io, requests, requested)) < 0) {
        return varve_fail(-r, "cannot write to the extents: %s", strerror(-r));
    }
    return r;
}

/* Maps what was written, run by run. What could not be mapped is counted as scattered. */
static int map_locked(struct store_compaction *c, struct survey *survey)
{
    struct store *store = c->store;
    int r = 0;

    store->write_seq++;
    store->counters.device_write_bytes += (uint64_t)survey->count << BLOCK_SHIFT;
    for (unsigned i = 0, n; i < survey->count; i += n) {
        struct journal_record record = {.kind = JOURNAL_WRITE,
                                        .flags = JOURNAL_MOVE,
                                        .image = c->image->number,
                                        .lblock = lblock_at(c->key + survey->index[i]),
                                        .pblock = survey->to[i],
                                        .blocks = n = run_of(survey, i),
                                        .crcs = survey->crcs + 4 * (size_t)i,
                                        .from = survey->at + i};

        r = r < 0 ? r : store_change_locked(store, &record);
        bool done = r == 0 && record.blocks == n;
        for (unsigned k = i; k < i + n && !done; k++) {
            space_abandon(store->space, survey->to[k]);
        }
        *(done ? &c->state.moved : &c->state.scattered) += (uint64_t)n << BLOCK_SHIFT;
    }
    return r;
}

static int move_held_locked(struct store_compaction *c)
{
    struct store *store = c->store;
    struct survey survey;
    int r = survey_locked(c, &survey);

    if (r < 0) {
        return r;
    }
    c->state.shared += survey.shared << BLOCK_SHIFT;
    if (!is_scattered(&survey)) {
        c->state.in_order += (uint64_t)survey.count << BLOCK_SHIFT;
        return 0;
    }
    r = take_places(store, &survey);
    if (r <= 0) {
        c->state.scattered += r == 0 ? (uint64_t)survey.count << BLOCK_SHIFT : 0;
        return r;
    }
    pthread_mutex_unlock(&store->lock);
    r = copy(c, &survey);
    pthread_mutex_lock(&store->lock);
    if (r == 0) {
        return map_locked(c, &survey);
    }
    for (unsigned i = 0; i < survey.count; i++) {
        space_abandon(store->space, survey.to[i]);
    }
    return r;
}

/* Nobody reads or writes the leaf meanwhile. A failure takes back what the leaf was counted as. */
static int move_locked(struct store_compaction *c)
{
    struct store *store = c->store;
    struct range held = {
        .start = c->key, .end = c->key + REFS_PER_PAGE, .alone = true, .moves = true};
    struct store_compaction_state before = c->state;

    range_lock(&c->image->ranges, &held, &store->lock, &store->changed);
    int r = move_held_locked(c);
    range_unlock(&c->image->ranges, &held, &store->changed);
    if (r < 0) {
        uint64_t moved = c->state.moved;
        c->state = before;
        c->state.moved = moved;
    }
    return r;
}

static int step_locked(struct store_compaction *c)
{
    struct survey survey;

    for (unsigned i = 0; i < LEAVES_AT_ONCE; i++) {
        int r = store_check_alive_locked(c->store);

        if (r < 0 || c->key >= blocks_for(c->image->record.size)) {
            return r;
        }
        if ((r = survey_locked(c, &survey)) < 0) {
            return r;
        }
        bool moves = is_scattered(&survey);
        if (moves && (r = move_locked(c)) < 0) {
            return r;
        }
        if (!moves) {
            c->state.shared += survey.shared << BLOCK_SHIFT;
            c->state.in_order += (uint64_t)survey.count << BLOCK_SHIFT;
        }
        c->key += survey.span;
        if (moves) {
            break;
        }
    }
    return 1;
}

int store_compact_step(struct store_compaction *c)
{
    pthread_mutex_lock(&c->store->lock);
    int r = step_locked(c);
    pthread_mutex_unlock(&c->store->lock);
    return r;
}

struct store_compaction_state store_compact_state(const struct store_compaction *c)
{
    return c->state;
}

int store_compact_open(struct store *store, uint64_t image,
                       struct store_compaction **ret_compaction)
{
    struct store_compaction *c;

    if (store->options.read_only) {
        return varve_fail(EROFS, "the store was opened only to read");
    }
    if ((c = memory_take(&store->memory, sizeof *c)) == NULL) {
        return varve_no_memory("a compaction");
    }
    *c = (struct store_compaction){.store = store};
    c->buffer = memory_take(&store->memory, REFS_PER_PAGE * BLOCK_SIZE);
    int r = c->buffer == NULL ? varve_no_memory("a compaction")
                              : store_image_open(store, image, &c->image);
    if (r < 0) {
        store_compact_close(c);
        return r;
    }
    *ret_compaction = c;
    return 0;
}

void store_compact_close(struct store_compaction *c)
{
    if (c == NULL) {
        return;
    }
    struct store *store = c->store;
    store_image_close(store, c->image);
    memory_give(&store->memory, c->buffer, REFS_PER_PAGE * BLOCK_SIZE);
    memory_give(&store->memory, c, sizeof *c);
}
