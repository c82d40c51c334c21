/*
 * A scenario is a short random history on a small store. It is run again and again with the first,
 * second, third ... call of a kind failing, once or for good, from the opening on or behind it,
 * until it ends with nothing left to fail.
 */
#ifndef MODEL_SCENARIO_H
#define MODEL_SCENARIO_H

#include "play.h"

enum { SCENARIO_MEMORY = 0 };

/* What fails. */
struct scenario_fault {
    const char *name;
    unsigned kinds; /* of enum sim_kind; SCENARIO_MEMORY: memory_allocate */
    unsigned files;
    int error;
};

struct scenario_run {
    const struct scenario_fault *fault;
    uint64_t nth, seed;
    bool forever; /* and all after it */
    bool opening; /* the opening may fail too */
};

/* One run, on a copy of what was begun. False when nothing was left to fail. */
typedef bool (*scenario_play)(const struct play *begun, const struct scenario_run *run);

/* A store with some history, which a process that just ended left behind: opening has work to do.
 * Of `play` the options, the chance and what it says are set. */
void scenario_begin(struct play *play, uint64_t seed, bool stale_cache, unsigned operations);

/* All runs, and the end of `begun`. `again` is the command that repeats the scenario. */
void scenario_run_all(struct play *begun, uint64_t seed, const char *again,
                      const struct scenario_fault *faults, size_t count, scenario_play play);

/* A copy of the play, its store opened or NULL, and the fault ready to strike. Returns how often it
 * had struck before. */
uint64_t scenario_open(struct play *ret_play, const struct play *begun,
                       const struct scenario_run *run, uint64_t disk_seed);

/* The nth call from now on fails as the run wants it, and nothing else. */
void scenario_arm(struct sim_disk *disk, const struct scenario_run *run, uint64_t nth);

#endif
