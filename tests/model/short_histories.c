/*
 * All short histories:
 *
 *   short_histories [--length N] [--from N --to N] [--verbose]
 *
 * Every sequence of at most N operations (3) of the alphabet below, on a fresh small store with one
 * image. At each event of the last operation, and after it, a copy of the disk is stopped in every
 * way, opened again, compared with the legal states and checked. (The events of the operations
 * before it are those of a shorter sequence.) A power cut that leaves what an earlier one has left,
 * with the same states legal, is not looked at again. Sequence i of all can be repeated with
 * --from i --to i.
 *
 * A trim is a zero: the store has one operation for both, and a commit is a freeze.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"
#include "play.h"

enum { BLOCK = 4096, IMAGE = 6 * BLOCK, LENGTH_MAX = 6 };

/* How often at one event what is in doubt is drawn anew. */
enum { DRAWS = 12 };

enum letter {
    WRITE_BLOCK,  /* a whole block */
    WRITE_ACROSS, /* parts of two */
    WRITE_FUA,    /* three whole ones */
    ZERO,         /* a whole block and parts of its neighbours */
    FLUSH,
    SNAPSHOT,
    CLONE,
    DELETE,  /* the newest image */
    FREEZE,  /* the newest image */
    COMPACT, /* the newest image */
    CHECKPOINT,
    BACKGROUND, /* a piece of every kind of work */
    LETTERS
};

static const char letters[] = "WwFZfSCDcMKB";

/* Numbers that were met: open addressing, 0 is none. */
struct met {
    uint64_t *numbers;
    size_t count, room;
};

struct search {
    struct play play;
    struct met met; /* states of the disk after power cuts, with what was legal then */
    enum letter sequence[LENGTH_MAX];
    unsigned length;
    uint64_t stops;
    char repeat[160];
};

static const struct store_options options = {.cache_bytes = 1 << 20,
                                             .extent_slots = 2,
                                             .extent_blocks = 8,
                                             .inline_bytes = 8192,
                                             .straight_bytes = 8192,
                                             .early_after = 1};

static void perform(struct play *play, enum letter letter)
{
    struct model_state *now = model_now(play->history);
    uint64_t newest = now->count == 0 ? 0 : now->images[now->count - 1].number;
    uint64_t first = now->count == 0 ? 0 : now->images[0].number, made;

    if (first == 0)
        return; /* all is deleted */
    switch (letter) {
    case WRITE_BLOCK:
        play_write(play, first, BLOCK, BLOCK, false);
        break;
    case WRITE_ACROSS:
        play_write(play, newest, 2 * BLOCK - 700, 1000, false);
        break;
    case WRITE_FUA:
        play_write(play, first, BLOCK, (uint64_t)3 * BLOCK, true);
        break;
    case ZERO:
        play_zero(play, first, BLOCK - 100, BLOCK + 200, false);
        break;
    case FLUSH:
        play_flush(play);
        break;
    case SNAPSHOT:
        play_clone(play, first, true, &made);
        break;
    case CLONE:
        play_clone(play, newest, false, &made);
        break;
    case DELETE:
        play_delete(play, newest);
        break;
    case FREEZE:
        play_freeze(play, newest);
        break;
    case COMPACT:
        play_compact(play, newest);
        break;
    case CHECKPOINT:
        play_checkpoint(play);
        break;
    case BACKGROUND:
        sim_disk_advance(play->disk, 10000000000);
        for (int work = 0; work < STORE_WORKS && !sim_disk_is_dead(play->disk); work++)
            play_step(play, (enum store_work)work);
        break;
    case LETTERS:
        break;
    }
}

static void put_met(struct met *met, uint64_t number)
{
    size_t at = (size_t)number & (met->room - 1);

    while (met->numbers[at] != 0)
        at = (at + 1) & (met->room - 1);
    met->numbers[at] = number;
    met->count++;
}

/* Has this number been met before? It has from now on. */
static bool was_met(struct met *met, uint64_t number)
{
    struct met old = *met;
    size_t at;

    number |= 1;
    for (at = (size_t)number; met->room > 0 && met->numbers[at & (met->room - 1)] != 0; at++)
        if (met->numbers[at & (met->room - 1)] == number)
            return true;
    if (met->count * 2 >= met->room) {
        met->count = 0;
        met->room = old.room == 0 ? 1024 : old.room * 2;
        met->numbers = calloc(met->room, sizeof(*met->numbers));
        assert(met->numbers != NULL);
        for (at = 0; at < old.room; at++)
            if (old.numbers[at] != 0)
                put_met(met, old.numbers[at]);
        free(old.numbers);
    }
    put_met(met, number);
    return false;
}

/* One ending of the present moment, on a copy. */
static void end_here(struct search *search, enum sim_outcome outcome, bool power, uint64_t seed)
{
    struct play copy = search->play;

    copy.disk = sim_disk_copy(search->play.disk, seed);
    if (power)
        sim_disk_cut(copy.disk, outcome);
    else
        sim_disk_kill(copy.disk, outcome);
    if (power && was_met(&search->met, fingerprint_add(sim_disk_fingerprint(copy.disk),
                                                       model_history_fingerprint(copy.history)))) {
        sim_disk_free(copy.disk);
        return;
    }
    search->stops++;
    copy.history = model_history_copy(search->play.history);
    copy.store = NULL;
    copy.chance.state = seed;
    play_recover(&copy, power ? MODEL_CUT : MODEL_KILLED, chance_hit(&copy.chance, 1, 4));
    play_check(&copy);
    play_end(&copy);
}

static void end_everyhow(struct search *search)
{
    uint64_t seed = sim_disk_events(search->play.disk);

    for (int power = 0; power < 2; power++) {
        end_here(search, SIM_NONE, power, seed);
        end_here(search, SIM_ALL, power, seed);
        end_here(search, SIM_SOME, power, seed);
    }
    for (uint64_t i = 1; i < DRAWS; i++)
        end_here(search, SIM_SOME, true, seed + 1000 * i);
}

static void at_event(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    (void)disk;
    if (event->kind & SIM_CHANGES) /* a stop before a read is one before what comes after it */
        end_everyhow(opaque);
}

/* A formatted store with one flushed image, the same for every sequence. */
static struct sim_disk *template_disk(struct search *search, struct model_history **ret_history)
{
    struct play *play = &search->play;
    uint64_t made;

    play->reserves = true; /* the first one is */
    play_begin_small(play, 1, false);
    play_create(play, IMAGE, &made);
    play_write(play, made, 0, (uint64_t)3 * BLOCK, false);
    play_restart(play);
    store_close(play->store);
    sim_disk_reboot(play->disk);
    *ret_history = play->history;
    return play->disk;
}

static void run_sequence(struct search *search, struct sim_disk *disk,
                         struct model_history *history)
{
    struct play *play = &search->play;

    play->disk = sim_disk_copy(disk, 1);
    play->history = model_history_copy(history);
    if (store_open(sim_disk_io(play->disk), &play->options, &play->store) != 0)
        play_failed(play, "store_open fails");
    for (unsigned i = 0; i < search->length; i++) {
        if (i + 1 == search->length)
            sim_disk_set_hook(play->disk, at_event, search);
        perform(play, search->sequence[i]);
    }
    sim_disk_set_hook(play->disk, NULL, NULL);
    end_everyhow(search);
    play_compare(play);
    play_check(play);
    play_end(play);
}

/* Sequence `index` in the order of their lengths; false after the last of that length. */
static bool choose(struct search *search, uint64_t index, unsigned length_max, char *name)
{
    uint64_t count = LETTERS;

    for (search->length = 1; search->length <= length_max; search->length++, count *= LETTERS) {
        if (index < count)
            break;
        index -= count;
    }
    if (search->length > length_max)
        return false;
    for (unsigned i = search->length; i > 0; i--, index /= LETTERS) {
        search->sequence[i - 1] = (enum letter)(index % LETTERS);
        name[i - 1] = letters[index % LETTERS];
    }
    name[search->length] = '\0';
    return true;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*end != '\0' || end == text) {
        fprintf(stderr, "short_histories: '%s' is not a number\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"length", required_argument, NULL, 'l'},
                                          {"from", required_argument, NULL, 'f'},
                                          {"to", required_argument, NULL, 't'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {0}};
    static struct search search;
    struct model_history *history;
    struct sim_disk *disk;
    uint64_t index = 0, last = UINT64_MAX, sequences = 0;
    unsigned length = 3;
    char name[LENGTH_MAX + 1];
    int option;

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (option == 'l')
            length = (unsigned)number(optarg);
        else if (option == 'f')
            index = number(optarg);
        else if (option == 't')
            last = number(optarg);
        else if (option == 'v')
            search.play.verbose = true;
        else
            return 2;
    }
    if (length > LENGTH_MAX) {
        fprintf(stderr, "short_histories: --length is at most %d\n", LENGTH_MAX);
        return 2;
    }
    search.play.options = options;
    search.play.repeat = search.repeat;
    disk = template_disk(&search, &history);
    for (; index <= last && choose(&search, index, length, name); index++, sequences++) {
        snprintf(search.repeat, sizeof(search.repeat), "%s --length %u --from %llu --to %llu (%s)",
                 argv[0], length, (unsigned long long)index, (unsigned long long)index, name);
        run_sequence(&search, disk, history);
    }
    model_history_free(history);
    sim_disk_free(disk);
    free(search.met.numbers);
    printf("ok %llu sequences, %llu stops\n", (unsigned long long)sequences,
           (unsigned long long)search.stops);
    count_print();
    return 0;
}
