/*
 * A disk that takes all writes and fails flushes:
 *
 *   flushes [--seed N] [--scenarios N] [--verbose]
 *
 * A scenario is a short random history with many flushes. It is run again and again with the first,
 * second, third ... flush failing (of either file or of any, a durable write of the journal
 * too), once or for good, until nothing is left to fail. A flush that failed has made some of it
 * durable and no later one makes the rest so, whatever the cache shows. Required is:
 *
 *   - The store is failed when the operation that flushed comes back, and stays so, though the disk
 *     is whole again: no write, flush or other change succeeds any more, and no clean stop.
 *   - Opening it again, with the power gone before or not, finds a legal state.
 *   - What a flush after that promises outlives the next power cut: it is not what a cache showed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "counts.h"
#include "play.h"
#include "play_random.h"
#include "seeds.h"

enum { OPERATIONS = 12, NTH_MAX = 1000, BLOCK = 4096 };

struct kind {
    const char *name;
    unsigned kinds, files;
};

static const struct kind kinds[] = {
    {"flush of the extents", SIM_SYNC, 1u << IO_EXTENTS},
    {"flush of the journal", SIM_SYNC | SIM_WRITE, 1u << IO_JOURNAL}, /* its writes are durable */
    {"flush", SIM_SYNC, 0},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct run {
    const struct kind *kind;
    uint64_t nth, seed;
    bool forever;
    bool opening; /* the opening may fail too */
};

static char repeat[160];

static void arm(struct sim_disk *disk, const struct run *run)
{
    const struct sim_fault fault = {.kinds = run->kind->kinds,
                                    .files = run->kind->files,
                                    .nth = run->nth,
                                    .forever = run->forever,
                                    .error = EIO};

    sim_disk_fail(disk, &fault);
}

static void refuses(const struct play *play, const char *what, int rc)
{
    if (rc == 0)
        play_failed(play, "a store whose flush has failed answers %s as done", what);
    if (!store_failed(play->store))
        play_failed(play, "after %s the failed store is whole again", what);
}

static void writes_are_refused(const struct play *play)
{
    static const unsigned char bytes[BLOCK] = {1};
    struct store_image_info info = {0};
    struct store_image *image;

    while (store_image_next(play->store, info.image, &info) == 0) {
        if ((info.flags & STORE_IMAGE_FROZEN) != 0 || info.size < BLOCK ||
            store_image_open(play->store, info.image, &image) != 0)
            continue;
        refuses(play, "a write", store_write(play->store, image, bytes, BLOCK, 0, 0));
        refuses(play, "a write with FUA",
                store_write(play->store, image, bytes, BLOCK, 0, STORE_FUA));
        refuses(play, "a zeroing", store_zero(play->store, image, BLOCK, 0, STORE_FUA));
        store_image_close(play->store, image);
        refuses(play, "a snapshot",
                store_image_clone(play->store,
                                  &(struct store_clone){.source = info.image,
                                                        .flags = STORE_IMAGE_FROZEN,
                                                        .label = "late"},
                                  1));
        refuses(play, "a resize", store_image_resize(play->store, info.image, info.size + BLOCK));
    }
}

/* With the fault, and when the disk is whole again. */
static void all_is_refused(const struct play *play)
{
    struct store_stats stats;
    uint64_t made;

    for (unsigned i = 0; i < 2; i++) {
        refuses(play, "a flush", store_flush(play->store));
        writes_are_refused(play);
        refuses(play, "a new image", store_image_create(play->store, BLOCK, 0, "late", &made));
        refuses(play, "a checkpoint", store_checkpoint(play->store));
        for (unsigned work = 0; work < STORE_WORKS; work++)
            (void)store_step(play->store, (enum store_work)work);
        refuses(play, "a flush after background work", store_flush(play->store));
        sim_disk_heal(play->disk);
    }
    store_get_stats(play->store, &stats);
    if (!stats.failed)
        play_failed(play, "a failed store does not count as failed");
    refuses(play, "a clean stop", store_shutdown(play->store));
}

/* The operations of the scenario, until a flush fails. */
static void perform(struct play *play, const struct run *run, uint64_t struck)
{
    play->chance.state = run->seed;
    for (unsigned i = 0; i < OPERATIONS && sim_disk_struck(play->disk) == struck; i++) {
        if (i % 3 == 2 || i == OPERATIONS - 1)
            play_flush(play);
        else
            play_random(play);
    }
    if (sim_disk_struck(play->disk) == struck)
        return;
    if (!store_failed(play->store))
        play_failed(play, "a flush has failed and the store goes on");
    all_is_refused(play);
}

/* Legal states, and what is promised from here on. */
static void settle(struct play *play)
{
    enum model_stop stop =
        play->store == NULL || store_failed(play->store) ? MODEL_FAILED : MODEL_KILLED;
    uint64_t made;

    sim_disk_heal(play->disk);
    play->forgiving = false;
    if (chance_hit(&play->chance, 1, 2)) {
        sim_disk_cut(play->disk, (enum sim_outcome)chance_below(&play->chance, 3));
        stop = MODEL_CUT;
        count_case(COUNT_POWER_CUTS, 1);
    }
    play_recover(play, stop, false);
    play_check(play);
    if (play_create(play, 4 * BLOCK, &made))
        play_write(play, made, 0, BLOCK, chance_hit(&play->chance, 1, 2));
    if (!play_flush(play))
        play_failed(play, "an opened store on a whole disk does not flush");
    sim_disk_cut(play->disk, (enum sim_outcome)chance_below(&play->chance, 3));
    count_case(COUNT_POWER_CUTS, 1);
    play_recover(play, MODEL_CUT, false);
    play_check(play);
}

/* False when nothing was left to fail. */
static bool run_once(const struct play *begun, const struct run *run)
{
    struct play play = *begun;
    uint64_t struck;
    int rc;

    play.disk = sim_disk_copy(begun->disk, run->seed + run->nth);
    play.history = model_history_copy(begun->history);
    play.forgiving = true;
    struck = sim_disk_struck(play.disk);
    if (run->opening)
        arm(play.disk, run);
    rc = store_open(sim_disk_io(play.disk), &play.options, &play.store);
    if (rc != 0 && sim_disk_struck(play.disk) == struck)
        play_failed(&play, "store_open says %d, and nothing has failed", rc);
    if (rc == 0 && sim_disk_struck(play.disk) > struck)
        play_failed(&play, "the store is open, and a flush of its opening has failed");
    if (rc != 0)
        play.store = NULL;
    if (rc == 0 && !run->opening)
        arm(play.disk, run);
    if (rc == 0)
        perform(&play, run, struck);
    struck = sim_disk_struck(play.disk) - struck;
    settle(&play);
    play_end(&play);
    count_case(COUNT_IO_ERRORS, struck > 0);
    return struck > 0;
}

/* A store with some history, which a process that just ended left behind: opening has work to do.
 */
static void begin(struct play *play, uint64_t seed)
{
    const struct sim_options disk = {
        .seed = seed, .journal_size = STORE_JOURNAL_MIN, .stale_cache = seed % 4 != 0};
    const struct store_geometry geometry = {.limit = STORE_LIMIT_MIN, .journal = STORE_JOURNAL_MIN};
    uint64_t made;

    play->chance.state = seed;
    play->options = (struct store_options){.cache_bytes = 1 << 20,
                                           .extent_slots = 2,
                                           .extent_blocks = 8,
                                           .inline_bytes = seed % 3 == 0 ? 0 : 16384,
                                           .straight_bytes = seed % 2 == 0 ? 0 : 8192};
    play->disk = sim_disk_new(&disk);
    play_begin(play, &geometry);
    play_create(play, 100 << 10, &made);
    for (unsigned i = 0; i < 2 * OPERATIONS; i++)
        play_random(play);
    store_close(play->store);
    play->store = NULL;
    sim_disk_reboot(play->disk);
}

static void run_scenario(uint64_t seed, bool verbose, const char *again)
{
    struct play play = {.repeat = repeat, .verbose = verbose};
    struct run run = {.seed = seed};

    snprintf(repeat, sizeof(repeat), "%s", again);
    begin(&play, seed);
    for (unsigned way = 0; way < KINDS * 4; way++) {
        bool more = true;

        run.kind = &kinds[way / 4];
        run.forever = (way & 1) != 0;
        run.opening = (way & 2) != 0;
        for (run.nth = 1; more; run.nth++) {
            snprintf(repeat, sizeof(repeat), "%s (%s %llu%s fails, counted from %s)", again,
                     run.kind->name, (unsigned long long)run.nth,
                     run.forever ? " and all after it" : "",
                     run.opening ? "opening" : "the first operation");
            if (run.nth > NTH_MAX)
                play_failed(&play, "the scenario does not end");
            if (verbose)
                printf("%s\n", repeat);
            more = run_once(&play, &run);
        }
    }
    play_end(&play);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "scenarios", run_scenario);
}
