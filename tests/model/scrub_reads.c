/*
 * The scrub on a disk that fails to read:
 *
 *   scrub_reads [--seed N] [--stores N] [--verbose]
 *
 * Each store has a random history and a clean stop. A place of the disk fails once or twice, or for
 * good, while a pass goes over it and clients read in between: a pass names what cannot be read,
 * and that alone, and comes to its end; what failed once or twice is read again and is sound. Then
 * all reads fail from the first, second, third ... on: all that is not read is named, once each.
 * When the disk is whole again the next pass finds nothing and the store goes on.
 */
#include <errno.h>
#include <string.h>

#include "counts.h"
#include "play.h"
#include "play_random.h"
#include "seeds.h"
#include "store/store_scrub.h"

enum { BLOCK = 4096, HISTORY = 60, BLOCKS_MAX = 1 << 12, PLACES = 60, A_FEW = 2 };

static struct {
    struct play play;
    struct store_scrub *scrub;
    uint64_t bad;   /* the block that cannot be read */
    uint64_t times; /* so often from now on */
    uint64_t struck;
    bool read[BLOCKS_MAX]; /* by a pass over the sound disk */
    bool found[BLOCKS_MAX];
    uint64_t found_count;
} test;

/* A request that covers the bad block fails as a whole. */
static void strike(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    static const struct sim_fault fault = {.kinds = SIM_READ, .nth = 1, .error = EIO};
    uint64_t at = test.bad * BLOCK;

    (void)opaque;
    if (event->kind != SIM_READ || event->file != IO_EXTENTS || test.times == 0 ||
        at < event->offset || at >= event->offset + event->length)
        return;
    test.times--;
    test.struck++;
    sim_disk_fail(disk, &fault);
}

static void note_read(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    (void)opaque;
    (void)disk;
    for (uint64_t at = event->offset; at < event->offset + event->length; at += BLOCK)
        if (event->kind == SIM_READ && event->file == IO_EXTENTS && at / BLOCK < BLOCKS_MAX)
            test.read[at / BLOCK] = true;
}

static void see_damage(void *opaque, const struct store_damage *damage)
{
    (void)opaque;
    if (damage->block >= BLOCKS_MAX || test.found[damage->block])
        play_failed(&test.play, "block %llu is found twice, or is none",
                    (unsigned long long)damage->block);
    if (damage->kind == STORE_DAMAGED_DATA && (damage->image_count == 0 || damage->length == 0))
        play_failed(&test.play, "block %llu cannot be read, and no image has it",
                    (unsigned long long)damage->block);
    test.found[damage->block] = true;
    test.found_count++;
}

/* A client that reads anywhere. */
static void read_some(struct play *play)
{
    struct model_state *now = model_now(play->history);
    const struct model_image *image = &now->images[chance_below(&play->chance, now->count)];
    uint64_t offset = chance_below(&play->chance, image->size);
    uint64_t length = 1 + chance_below(&play->chance, 16 * BLOCK);

    play_read(play, image->number, offset,
              length < image->size - offset ? length : image->size - offset);
}

/* One pass. Whatever fails, it ends, and counts what it reported. */
static void pass(bool clients)
{
    struct store_scrub_state before, after;
    unsigned steps = 0;
    int r;

    store_scrub_get(test.scrub, &before);
    memset(test.found, 0, sizeof(test.found));
    test.found_count = 0;
    while ((r = store_scrub_step(test.scrub, see_damage, NULL)) > 0) {
        if (clients)
            read_some(&test.play);
        if (++steps > 10000)
            play_failed(&test.play, "the pass does not end");
    }
    store_scrub_get(test.scrub, &after);
    if (r < 0)
        play_failed(&test.play, "the scrub fails with %d", r);
    if (after.passes != before.passes + 1 || after.pass_damaged != test.found_count)
        play_failed(&test.play, "%llu passes and %llu damaged blocks after %llu, %llu reported",
                    (unsigned long long)after.passes, (unsigned long long)after.pass_damaged,
                    (unsigned long long)before.passes, (unsigned long long)test.found_count);
    if (store_failed(test.play.store))
        play_failed(&test.play, "a read that fails fails the store");
}

/* Reads of that block fail `times` times. */
static void one_place(uint64_t block, uint64_t times)
{
    bool once = times <= A_FEW;

    test.bad = block;
    test.times = times;
    test.struck = 0;
    sim_disk_set_hook(test.play.disk, strike, NULL);
    pass(!once); /* else a client may take the failures */
    sim_disk_set_hook(test.play.disk, NULL, NULL);
    if (once && test.found_count != 0)
        play_failed(&test.play, "block %llu failed once or twice, and is taken for damaged",
                    (unsigned long long)block);
    if (!once && (test.found_count > 1 || (test.found_count == 1 && !test.found[block])))
        play_failed(&test.play, "block %llu cannot be read, and %llu blocks are named",
                    (unsigned long long)block, (unsigned long long)test.found_count);
    if (!once && test.struck >= 3 && test.found_count == 0) /* fewer: the client's alone */
        play_failed(&test.play, "block %llu cannot be read (%llu times), and none is named",
                    (unsigned long long)block, (unsigned long long)test.struck);
    count_case(COUNT_IO_ERRORS, test.struck > 0);
}

/* All reads of the extents fail from that one on. False when there are not so many. */
static bool all_from(uint64_t nth)
{
    const struct sim_fault fault = {
        .kinds = SIM_READ, .files = 1u << IO_EXTENTS, .nth = nth, .forever = true, .error = EIO};
    uint64_t struck = sim_disk_struck(test.play.disk);

    sim_disk_fail(test.play.disk, &fault);
    pass(false);
    struck = sim_disk_struck(test.play.disk) - struck;
    sim_disk_heal(test.play.disk);
    if ((struck > 0) != (test.found_count > 0))
        play_failed(&test.play, "%llu reads failed, and %llu blocks are named",
                    (unsigned long long)struck, (unsigned long long)test.found_count);
    count_case(COUNT_IO_ERRORS, struck > 0);
    return struck > 0;
}

static void run_store(uint64_t seed, bool verbose, const char *again)
{
    struct play *play = &test.play;
    unsigned places = 0;
    uint64_t made;

    *play = (struct play){.repeat = again, .verbose = verbose, .chance.state = seed};
    play_random_store(play, seed, HISTORY);
    if (model_now(play->history)->count == 0)
        play_create(play, 256 << 10, &made);
    play_settle(play);
    play_restart(play);
    if (store_scrub_open(play->store, &test.scrub) != 0)
        play_failed(play, "store_scrub_open");
    memset(test.read, 0, sizeof(test.read));
    sim_disk_set_hook(play->disk, note_read, NULL);
    pass(false);
    play->forgiving = true;
    while (places < PLACES) {
        uint64_t block = chance_below(&play->chance, BLOCKS_MAX);

        if (test.read[block])
            one_place(block, places++ % 2 == 0 ? 1 + places / 2 % A_FEW : UINT64_MAX);
    }
    for (uint64_t nth = 1; all_from(nth); nth++) {
    }
    play->forgiving = false;
    pass(false);
    if (test.found_count != 0)
        play_failed(play, "a disk that is whole again has %llu damaged blocks",
                    (unsigned long long)test.found_count);
    store_scrub_close(test.scrub);
    for (unsigned i = 0; i < HISTORY; i++)
        play_random(play);
    play_compare(play);
    play_check(play);
    play_end(play);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "stores", NULL, run_store);
}
