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
#include "play.h"
#include "play_random.h"
#include "seeds.h"

enum { OPERATIONS = 10, MEMORY = 0, NTH_MAX = 2000 };

struct kind {
    const char *name;
    unsigned kinds; /* of enum sim_kind; MEMORY: memory_allocate */
    unsigned files;
    int error;
};

static const struct kind kinds[] = {
    {"memory", MEMORY, 0, ENOMEM},
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
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct run {
    const struct kind *kind;
    uint64_t nth, seed;
    bool forever;
    bool opening; /* the opening may fail too */
};

static char repeat[160];

static void arm(struct sim_disk *disk, const struct run *run, uint64_t nth)
{
    struct sim_fault fault = {.kinds = run->kind->kinds,
                              .files = run->kind->files,
                              .nth = nth,
                              .forever = run->forever,
                              .error = run->kind->error};

    sim_disk_heal(disk);
    if (run->kind->kinds == MEMORY)
        sim_disk_fail_memory(disk, nth, run->forever);
    else
        sim_disk_fail(disk, &fault);
}

/* The operations of the scenario, until the store refuses to go on. */
static void perform(struct play *play, const struct run *run, uint64_t struck)
{
    play->chance.state = run->seed;
    for (unsigned i = 0; i < OPERATIONS && !store_failed(play->store); i++) {
        if (i == OPERATIONS - 2)
            play_flush(play);
        else
            play_random(play);
        if (run->forever && sim_disk_struck(play->disk) > struck)
            arm(play->disk, run, 1); /* looking at what an operation left has healed it */
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
static bool run_once(const struct play *begun, const struct run *run)
{
    struct play play = *begun;
    uint64_t struck;
    int rc;

    play.disk = sim_disk_copy(begun->disk, run->seed);
    play.history = model_history_copy(begun->history);
    play.forgiving = true;
    struck = sim_disk_struck(play.disk);
    if (run->opening)
        arm(play.disk, run, run->nth);
    rc = store_open(sim_disk_io(play.disk), &play.options, &play.store);
    if (rc != 0 && sim_disk_struck(play.disk) == struck)
        play_failed(&play, "store_open says %d, and nothing has failed", rc);
    if (rc != 0)
        play.store = NULL;
    if (rc == 0 && !run->opening)
        arm(play.disk, run, run->nth);
    if (rc == 0)
        perform(&play, run, struck);
    struck = sim_disk_struck(play.disk) - struck;
    if (play.verbose)
        printf("     struck %llu times\n", (unsigned long long)struck);
    settle(&play);
    play_end(&play);
    if (struck > 0)
        count_case(run->kind->kinds == MEMORY ? COUNT_ALLOCATIONS : COUNT_IO_ERRORS, 1);
    return struck > 0;
}

/* A store with some history, which a process that just ended left behind: opening has work to do.
 */
static void begin(struct play *play, uint64_t seed)
{
    struct sim_options disk = {.seed = seed, .journal_size = STORE_JOURNAL_MIN};
    struct store_geometry geometry = {.limit = STORE_LIMIT_MIN, .journal = STORE_JOURNAL_MIN};
    uint64_t made;

    play->chance.state = seed;
    play->reserves = seed % 2 == 1;
    disk.stale_cache = chance_hit(&play->chance, 1, 2);
    play->options =
        (struct store_options){.cache_bytes = 1 << 20,
                               .extent_slots = 2,
                               .extent_blocks = 8,
                               .inline_bytes = chance_hit(&play->chance, 1, 2) ? 16384 : 0,
                               .straight_bytes = seed % 2 == 0 ? 0 : 8192,
                               .stage_large = seed / 8 % 2,
                               .early_after = seed / 2 % 2};
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
