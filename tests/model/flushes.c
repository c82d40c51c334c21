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
#include "play_random.h"
#include "scenario.h"
#include "seeds.h"

enum { OPERATIONS = 12, BLOCK = 4096 };

static const struct scenario_fault faults[] = {
    {"flush of the extents", SIM_SYNC, 1u << IO_EXTENTS, EIO},
    /* its writes are durable */
    {"flush of the journal", SIM_SYNC | SIM_WRITE, 1u << IO_JOURNAL, EIO},
    {"flush", SIM_SYNC, 0, EIO},
};

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
static void perform(struct play *play, const struct scenario_run *run, uint64_t struck)
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
static bool run_once(const struct play *begun, const struct scenario_run *run)
{
    struct play play;
    uint64_t struck = scenario_open(&play, begun, run, run->seed + run->nth);

    if (play.store != NULL && sim_disk_struck(play.disk) > struck)
        play_failed(&play, "the store is open, and a flush of its opening has failed");
    if (play.store != NULL)
        perform(&play, run, struck);
    struck = sim_disk_struck(play.disk) - struck;
    settle(&play);
    play_end(&play);
    count_case(COUNT_IO_ERRORS, struck > 0);
    return struck > 0;
}

static void run_scenario(uint64_t seed, bool verbose, const char *again)
{
    struct play play = {.repeat = again,
                        .verbose = verbose,
                        .chance.state = seed,
                        .options = {.cache_bytes = 1 << 20,
                                    .extent_slots = 2,
                                    .extent_blocks = 8,
                                    .inline_bytes = seed % 3 == 0 ? 0 : 16384,
                                    .straight_bytes = seed % 2 == 0 ? 0 : 8192}};

    scenario_begin(&play, seed, seed % 4 != 0, 2 * OPERATIONS);
    scenario_run_all(&play, seed, again, faults, sizeof(faults) / sizeof(faults[0]), run_once);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "scenarios", NULL, run_scenario);
}
