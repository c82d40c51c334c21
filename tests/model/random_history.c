/*
 * Random histories against the model, with a stop about every hundred operations:
 *
 *   model --seed N --ops N --cuts N [--laps N] [--thin] [--verbose [--verbose]]
 *
 * --thin: the file system below may be smaller than the store's limit.
 *
 * A lap is one store with its own geometry; lap i has the seed N + i. What fails prints the command
 * that repeats its lap.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"
#include "play.h"
#include "play_random.h"

enum { BLOCK = 4096 };

struct lap {
    struct play play;
    uint64_t operations, stops, stops_done;
    bool events, thin;
    bool between; /* steps in the middle of I/O */
    char repeat[160];
};

static uint64_t below(struct lap *lap, uint64_t limit)
{
    return chance_below(&lap->play.chance, limit);
}

static bool hit(struct lap *lap, uint64_t of, uint64_t out_of)
{
    return chance_hit(&lap->play.chance, of, out_of);
}

static void arm_stop(struct lap *lap)
{
    uint64_t at = sim_disk_events(lap->play.disk) + 1 + below(lap, hit(lap, 1, 2) ? 20 : 300);
    enum sim_outcome outcome = (enum sim_outcome)below(lap, 3);

    if (hit(lap, 1, 3))
        sim_disk_kill_at(lap->play.disk, at, outcome);
    else
        sim_disk_cut_at(lap->play.disk, at, outcome);
}

static void arm_fault(struct lap *lap)
{
    static const enum sim_kind kinds[] = {SIM_READ, SIM_WRITE,    SIM_WRITE,
                                          SIM_SYNC, SIM_ALLOCATE, SIM_ANY};
    enum sim_kind kind = kinds[below(lap, 6)];
    struct sim_fault fault = {
        .kinds = kind,
        .files = (unsigned)below(lap, 4),
        .nth = 1 + below(lap, 20),
        .forever = hit(lap, 1, 3),
        .error = kind == SIM_ALLOCATE || (kind == SIM_WRITE && hit(lap, 1, 4)) ? ENOSPC : EIO};

    if (hit(lap, 1, 4))
        sim_disk_fail_memory(lap->play.disk, 1 + below(lap, 40), hit(lap, 1, 3));
    else
        sim_disk_fail(lap->play.disk, &fault);
    lap->play.forgiving = true;
}

/* However the operations since the last stop ended, the store is open and compared afterwards. */
static void stop(struct lap *lap)
{
    struct play *play = &lap->play;
    bool again = hit(lap, 1, 3);

    sim_disk_heal(play->disk);
    sim_disk_cut_at(play->disk, 0, SIM_NONE);
    if (sim_disk_is_dead(play->disk))
        play_recover(play, sim_disk_lost_power(play->disk) ? MODEL_CUT : MODEL_KILLED, again);
    else if (store_failed(play->store))
        play_recover(play, MODEL_FAILED, again);
    else if (hit(lap, 1, 4))
        play_restart(play);
    else if (hit(lap, 1, 2))
        play_recover(play, MODEL_KILLED, again); /* the process just ends */
    play->forgiving = false;
    if (hit(lap, 1, 2))
        play_check(play);
    lap->stops_done++;
}

static void run_to_stop(struct lap *lap, uint64_t operations)
{
    struct play *play = &lap->play;
    uint64_t first = play->operation;
    bool armed = false;

    while (!sim_disk_is_dead(play->disk) && !store_failed(play->store) &&
           play->operation - first < 2 * operations) {
        if (!armed && play->operation - first >= operations) {
            armed = true;
            if (hit(lap, 3, 4))
                arm_stop(lap);
            else
                arm_fault(lap);
        }
        play_random(play);
        if (hit(lap, 1, 50) && !play->forgiving && !sim_disk_is_dead(play->disk))
            play_compare(play);
    }
    stop(lap);
}

static void choose_options(struct lap *lap, struct sim_options *disk, struct store_geometry *store)
{
    static const uint64_t inlined[] = {0, 4096, 65536, UINT64_MAX};
    static const uint64_t straight[] = {0, 4096, 16384, UINT64_MAX};
    struct store_options *options = &lap->play.options;

    store->limit = (8 + below(lap, 24)) << 20;
    store->journal = STORE_JOURNAL_MIN << below(lap, 3);
    disk->seed = chance_draw(&lap->play.chance);
    disk->journal_size = store->journal;
    if (hit(lap, 1, 3))
        disk->device_size = store->limit;
    else if (lap->thin && hit(lap, 1, 2))
        disk->capacity = store->limit / 2 + below(lap, store->limit / 2) / BLOCK * BLOCK;
    disk->used_device = hit(lap, 1, 2);
    disk->stale_cache = hit(lap, 1, 2);
    options->cache_bytes = (uint64_t)1 << (19 + below(lap, 5));
    options->extent_slots = 2 + (unsigned)below(lap, 4);
    options->extent_blocks = 8u << below(lap, 4);
    options->dirty_bytes = hit(lap, 1, 2) ? 0 : (uint64_t)64 << (10 + below(lap, 5));
    options->inline_bytes = inlined[below(lap, 4)];
    options->straight_bytes = straight[below(lap, 4)];
    options->stage_large = disk->seed % 3 == 0;
    options->early_after = hit(lap, 2, 3) ? 1 : 0;
}

/* With --verbose twice. */
static void print_event(const struct sim_event *event)
{
    static const char *const kinds[] = {"read",     "write",   "sync",
                                        "allocate", "discard", "stage_remove"};
    unsigned kind = 0;

    while ((event->kind >> kind) > 1)
        kind++;
    printf("             event %llu: %s %s %llu+%llu%s\n", (unsigned long long)event->number,
           kinds[kind], event->file == IO_JOURNAL ? "journal" : "extents",
           (unsigned long long)event->offset / BLOCK, (unsigned long long)event->length / BLOCK,
           event->flags & IO_DURABLE ? ", durable" : "");
}

/* In the middle of an operation's I/O the background does a step of its own, as other threads do in
 * a server. */
static void at_event(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    struct lap *lap = opaque;

    if (lap->events)
        print_event(event);
    if (!lap->between || lap->play.store == NULL || sim_disk_is_dead(disk) || !hit(lap, 1, 4))
        return;
    lap->between = false; /* not within that again */
    play_step(&lap->play, (enum store_work)below(lap, STORE_WORKS));
    lap->between = true;
}

static void run_lap(struct lap *lap, uint64_t seed)
{
    struct sim_options disk = {0};
    struct store_geometry store = {0};
    uint64_t made;

    lap->stops_done = 0;
    lap->play.operation = lap->play.moved = 0;
    lap->play.chance.state = seed;
    lap->play.reserves = seed % 2 == 1;
    lap->play.repeat = lap->repeat;
    choose_options(lap, &disk, &store);
    lap->play.disk = sim_disk_new(&disk);
    lap->between = false;
    sim_disk_set_hook(lap->play.disk, at_event, lap);
    play_begin(&lap->play, &store);
    play_create(&lap->play, play_random_size(&lap->play.chance), &made);
    lap->between = hit(lap, 1, 2);
    while (lap->stops_done < lap->stops)
        run_to_stop(lap, 1 + below(lap, 2 * lap->operations / lap->stops));
    play_check(&lap->play);
    play_compare(&lap->play);
    play_end(&lap->play);
    count_case(COUNT_OPERATIONS, lap->play.operation);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text) {
        fprintf(stderr, "model: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"ops", required_argument, NULL, 'o'},
                                            {"cuts", required_argument, NULL, 'c'},
                                            {"laps", required_argument, NULL, 'l'},
                                            {"thin", no_argument, NULL, 't'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {0}};
    static struct lap lap = {.operations = 2000, .stops = 20};
    uint64_t seed = 1, laps = 1, operations = 0, stops = 0, moved = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            seed = number(optarg);
            break;
        case 'o':
            lap.operations = number(optarg);
            break;
        case 'c':
            lap.stops = number(optarg);
            break;
        case 'l':
            laps = number(optarg);
            break;
        case 't':
            lap.thin = true;
            break;
        case 'v':
            lap.events = lap.play.verbose;
            lap.play.verbose = true;
            break;
        default:
            return 2;
        }
    }
    if (lap.stops == 0 || lap.operations < lap.stops) {
        fprintf(stderr, "model: --cuts is at least 1, --ops at least as many\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t i = 0; i < laps; i++) {
        snprintf(lap.repeat, sizeof(lap.repeat), "%s --seed %llu --ops %llu --cuts %llu%s", argv[0],
                 (unsigned long long)(seed + i), (unsigned long long)lap.operations,
                 (unsigned long long)lap.stops, lap.thin ? " --thin" : "");
        run_lap(&lap, seed + i);
        operations += lap.play.operation;
        stops += lap.stops_done;
        moved += lap.play.moved;
    }
    printf("ok %llu laps from seed %llu: %llu operations, %llu stops, %llu MiB moved\n",
           (unsigned long long)laps, (unsigned long long)seed, (unsigned long long)operations,
           (unsigned long long)stops, (unsigned long long)moved >> 20);
    count_print();
    return 0;
}
