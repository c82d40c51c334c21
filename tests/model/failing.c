/*
 * Every call that fails, once and for good:
 *
 *   failing [--seed N] [--scenarios N] [--verbose]
 *
 * A scenario is a short random history on a small store. It is run again and again with the first,
 * second, third ... call of a kind failing, until it ends with nothing left to fail. Afterwards the
 * store is what the model says: if it goes on, everything is there; if it refused to go on, or
 * could not be opened, opening it again finds a legal state, also after a power cut.
 */
#include <errno.h>
#include <stdio.h>

#include "counts.h"
#include "play_random.h"
#include "scenario.h"
#include "seeds.h"

enum { OPERATIONS = 10 };

static const struct scenario_fault faults[] = {
    {"memory", SCENARIO_MEMORY, 0, ENOMEM},
    {"read", SIM_READ, 0, EIO},
    {"data write", SIM_WRITE, 1u << IO_EXTENTS, EIO},
    {"data write without space", SIM_WRITE, 1u << IO_EXTENTS, ENOSPC},
    {"journal write", SIM_WRITE, 1u << IO_JOURNAL, EIO},
    {"sync", SIM_SYNC, 0, EIO},
    {"sync without space", SIM_SYNC, 0, ENOSPC},
    {"allocate without space", SIM_ALLOCATE, 0, ENOSPC},
    {"allocate", SIM_ALLOCATE, 0, EIO},
    {"discard", SIM_DISCARD, 0, EIO},
    {"anything", SIM_ANY, 0, EIO},
};

/* The operations of the scenario, until the store refuses to go on. */
static void perform(struct play *play, const struct scenario_run *run, uint64_t struck)
{
    play->chance.state = run->seed;
    for (unsigned i = 0; i < OPERATIONS && !store_failed(play->store); i++) {
        if (i == OPERATIONS - 2)
            play_flush(play);
        else
            play_random(play);
        if (run->forever && sim_disk_struck(play->disk) > struck)
            scenario_arm(play->disk, run, 1); /* looking at what an operation left has healed it */
    }
    /* What is failed stays failed. */
    if (store_failed(play->store) &&
        (store_flush(play->store) == 0 || store_checkpoint(play->store) == 0))
        play_failed(play, "a failed store says that it has made something durable");
}

static void settle(struct play *play)
{
    enum model_stop stop = MODEL_FAILED;
    bool cut = chance_hit(&play->chance, 1, 2);

    sim_disk_heal(play->disk);
    play->forgiving = false;
    if (play->store != NULL && !store_failed(play->store)) {
        stop = MODEL_KILLED;
        play_compare(play);
        play_check(play);
    }
    if (cut) {
        sim_disk_cut(play->disk, (enum sim_outcome)chance_below(&play->chance, 3));
        stop = MODEL_CUT;
    }
    play_recover(play, stop, false);
    play_check(play);
}

/* False when nothing was left to fail. */
static bool run_once(const struct play *begun, const struct scenario_run *run)
{
    struct play play;
    uint64_t struck = scenario_open(&play, begun, run, run->seed);

    if (play.store != NULL)
        perform(&play, run, struck);
    struck = sim_disk_struck(play.disk) - struck;
    if (play.verbose)
        printf("     struck %llu times\n", (unsigned long long)struck);
    settle(&play);
    play_end(&play);
    if (struck > 0)
        count_case(run->fault->kinds == SCENARIO_MEMORY ? COUNT_ALLOCATIONS : COUNT_IO_ERRORS, 1);
    return struck > 0;
}

static void run_scenario(uint64_t seed, bool verbose, const char *again)
{
    struct play play = {.repeat = again,
                        .verbose = verbose,
                        .chance.state = seed,
                        .reserves = seed % 2 == 1,
                        .options = {.cache_bytes = 1 << 20,
                                    .extent_slots = 2,
                                    .extent_blocks = 8,
                                    .straight_bytes = seed % 2 == 0 ? 0 : 8192,
                                    .stage_large = seed / 8 % 2,
                                    .early_after = seed / 2 % 2}};
    bool stale_cache = chance_hit(&play.chance, 1, 2);

    play.options.inline_bytes = chance_hit(&play.chance, 1, 2) ? 16384 : 0;
    scenario_begin(&play, seed, stale_cache, 2 * OPERATIONS);
    scenario_run_all(&play, seed, again, faults, sizeof(faults) / sizeof(faults[0]), run_once);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "scenarios", NULL, run_scenario);
}
