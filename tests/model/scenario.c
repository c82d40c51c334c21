#include "scenario.h"

#include <stdio.h>

#include "play_random.h"

enum { NTH_MAX = 2000, WAYS = 4 };

void scenario_begin(struct play *play, uint64_t seed, bool stale_cache, unsigned operations)
{
    uint64_t made;

    play_begin_small(play, seed, stale_cache);
    play_create(play, 100 << 10, &made);
    for (unsigned i = 0; i < operations; i++)
        play_random(play);
    store_close(play->store);
    play->store = NULL;
    sim_disk_reboot(play->disk);
}

void scenario_run_all(struct play *begun, uint64_t seed, const char *again,
                      const struct scenario_fault *faults, size_t count, scenario_play play)
{
    struct scenario_run run = {.seed = seed};
    char repeat[200];

    begun->repeat = repeat;
    for (size_t way = 0; way < count * WAYS; way++) {
        bool more = true;

        run.fault = &faults[way / WAYS];
        run.forever = (way & 1) != 0;
        run.opening = (way & 2) != 0;
        for (run.nth = 1; more; run.nth++) {
            snprintf(repeat, sizeof(repeat), "%s (%s %llu%s fails, counted from %s)", again,
                     run.fault->name, (unsigned long long)run.nth,
                     run.forever ? " and all after it" : "",
                     run.opening ? "opening" : "the first operation");
            if (run.nth > NTH_MAX)
                play_failed(begun, "the scenario does not end");
            if (begun->verbose)
                printf("%s\n", repeat);
            more = play(begun, &run);
        }
    }
    play_end(begun);
}

uint64_t scenario_open(struct play *ret_play, const struct play *begun,
                       const struct scenario_run *run, uint64_t disk_seed)
{
    struct play *play = ret_play;
    uint64_t struck;
    int rc;

    *play = *begun;
    play->disk = sim_disk_copy(begun->disk, disk_seed);
    play->history = model_history_copy(begun->history);
    play->forgiving = true;
    struck = sim_disk_struck(play->disk);
    if (run->opening)
        scenario_arm(play->disk, run, run->nth);
    rc = store_open(sim_disk_io(play->disk), &play->options, &play->store);
    if (rc != 0 && sim_disk_struck(play->disk) == struck)
        play_failed(play, "store_open says %d, and nothing has failed", rc);
    if (rc != 0)
        play->store = NULL;
    else if (!run->opening)
        scenario_arm(play->disk, run, run->nth);
    return struck;
}

void scenario_arm(struct sim_disk *disk, const struct scenario_run *run, uint64_t nth)
{
    const struct sim_fault fault = {.kinds = run->fault->kinds,
                                    .files = run->fault->files,
                                    .nth = nth,
                                    .forever = run->forever,
                                    .error = run->fault->error};

    sim_disk_heal(disk);
    if (run->fault->kinds == SCENARIO_MEMORY)
        sim_disk_fail_memory(disk, nth, run->forever);
    else
        sim_disk_fail(disk, &fault);
}
