/*
 * Damaged blocks:
 *
 *   damage [--seed N] [--stores N] [--blocks N] [--bytes N] [--verbose]
 *
 * Each store has a random history and a clean stop. Then, N times each, on copies of its disk:
 *
 *   data      a block is damaged (bit flipped, zeroed, as it was before its last write, with the
 *             content of another block, swapped with it, torn). Every read of it fails with EIO and
 *             names image, offset and address; every other block reads right.
 *   metadata  some bytes of superblocks, tables, map pages or the journal are changed. Opening,
 *             reading, writing and checking give right data or an error. One damaged copy of the
 *             superblock harms nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "counts.h"
#include "format/layout.h"
#include "play.h"
#include "play_random.h"
#include "seeds.h"

enum { BLOCK = 4096, HISTORY = 60, PLACES_MAX = 1 << 15, MUTATED_MAX = 8 };

/* Where a block of an image lies. */
struct place {
    uint64_t image, offset, at; /* bytes; `at` in the extents */
};

static struct {
    struct play play;
    struct place places[PLACES_MAX];
    size_t count;
    struct {
        enum io_file file;
        uint64_t at;
    } metadata[PLACES_MAX];
    size_t metadata_count;
    uint64_t last_read;
    bool was_read;
} test;

enum { BLOCKS, BYTES };
static struct seeds_number numbers[] = {
    [BLOCKS] = {"blocks", 1000}, [BYTES] = {"bytes", 1000}, {0}};

static uint64_t below(uint64_t limit)
{
    return chance_below(&test.play.chance, limit);
}

static void see_read(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    (void)opaque;
    (void)disk;
    if (event->kind == SIM_READ && event->file == IO_EXTENTS) {
        test.was_read = true;
        test.last_read = event->offset;
    }
}

static bool is_data(enum io_file file, uint64_t at)
{
    for (size_t i = 0; file == IO_EXTENTS && i < test.count; i++)
        if (test.places[i].at == at)
            return true;
    return false;
}

static void add_metadata(enum io_file file, uint64_t at)
{
    for (size_t i = 0; i < test.metadata_count; i++)
        if (test.metadata[i].file == file && test.metadata[i].at == at)
            return;
    if (test.metadata_count < PLACES_MAX && !is_data(file, at)) {
        test.metadata[test.metadata_count].file = file;
        test.metadata[test.metadata_count++].at = at;
    }
}

static void see_metadata(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    static const unsigned char zeroes[BLOCK];
    unsigned char bytes[BLOCK];

    (void)opaque;
    if (event->kind != SIM_READ)
        return;
    for (uint64_t at = event->offset; at < event->offset + event->length; at += BLOCK) {
        sim_disk_peek(disk, event->file, at, bytes, BLOCK);
        if (memcmp(bytes, zeroes, BLOCK) != 0)
            add_metadata(event->file, at);
    }
}

/* Reads a block of an image into `found`; compares it when it could be read. */
static int read_block(const struct place *place)
{
    struct model_image *image = model_find(model_now(test.play.history), place->image);
    uint64_t left = image->size - place->offset;
    size_t length = left < BLOCK ? (size_t)left : BLOCK;
    unsigned char found[BLOCK], wanted[BLOCK];
    struct store_image *open;
    int rc = store_image_open(test.play.store, place->image, &open);

    if (rc != 0)
        return rc;
    rc = store_read(test.play.store, open, found, length, place->offset);
    store_image_close(test.play.store, open);
    model_read(image, place->offset, wanted, length);
    if (rc == 0 && memcmp(found, wanted, length) != 0)
        play_failed(&test.play, "image %llu, offset %llu: wrong bytes, and no error",
                    (unsigned long long)place->image, (unsigned long long)place->offset);
    return rc;
}

static void find_places(void)
{
    struct model_state *now = model_now(test.play.history);

    test.count = 0;
    sim_disk_set_hook(test.play.disk, see_read, NULL);
    for (size_t i = 0; i < now->count; i++)
        for (uint64_t at = 0; at < now->images[i].size && test.count < PLACES_MAX; at += BLOCK) {
            struct place place = {.image = now->images[i].number, .offset = at};

            read_block(&place); /* brings the map page into memory */
            test.was_read = false;
            if (read_block(&place) != 0)
                play_failed(&test.play, "reading a sound block fails");
            place.at = test.last_read;
            if (test.was_read)
                test.places[test.count++] = place;
        }
    sim_disk_set_hook(test.play.disk, NULL, NULL);
}

/* Every block of every image that lies there fails, and says where. */
static void must_fail(uint64_t at, const char *how)
{
    char wanted[160];

    for (size_t i = 0; i < test.count; i++) {
        const struct place *place = &test.places[i];

        if (place->at != at)
            continue;
        snprintf(wanted, sizeof(wanted), "image %llu, offset %llu: block %llu of the extents",
                 (unsigned long long)place->image, (unsigned long long)place->offset,
                 (unsigned long long)at / BLOCK);
        if (read_block(place) != -EIO)
            play_failed(&test.play, "%s, block %s: not found", wanted, how);
        if (strstr(varve_error(), wanted) == NULL)
            play_failed(&test.play, "the message does not say '%s'", wanted);
    }
}

static void must_be_right(uint64_t but, uint64_t and_but)
{
    const struct place *place = &test.places[below(test.count)];

    if (place->at != but && place->at != and_but && read_block(place) != 0)
        play_failed(&test.play, "a sound block beside a damaged one cannot be read");
}

static void no_report(void *opaque, const char *line)
{
    (void)opaque;
    (void)line;
}

static void must_be_found_by_check(void)
{
    struct store_check_result result = {0};
    int rc = store_check(test.play.store, STORE_CHECK_DATA, no_report, NULL, &result);

    if (rc == 0 && result.problems == 0)
        play_failed(&test.play, "the check finds no damage");
}

static void damage_data(void)
{
    static const char *const ways[] = {"flipped", "zeroed", "stale", "foreign", "swapped", "torn"};
    unsigned char before[BLOCK], other[BLOCK], now[BLOCK];
    uint64_t at = test.places[below(test.count)].at, from = test.places[below(test.count)].at;
    unsigned way = (unsigned)below(6);
    struct sim_disk *disk = test.play.disk;

    sim_disk_peek(disk, IO_EXTENTS, at, before, BLOCK);
    sim_disk_peek(disk, IO_EXTENTS, from, other, BLOCK);
    if (way == 0)
        sim_damage_flip(disk, IO_EXTENTS, at + below(BLOCK), (unsigned char)(1u << below(8)));
    else if (way == 1)
        sim_damage_zero(disk, IO_EXTENTS, at);
    else if (way == 2)
        (void)sim_damage_stale(disk, IO_EXTENTS, at);
    else if (way == 3)
        sim_disk_poke(disk, IO_EXTENTS, at, other, BLOCK);
    else if (way == 4)
        sim_damage_swap(disk, IO_EXTENTS, at, from);
    else
        sim_disk_poke(disk, IO_EXTENTS, at, other, 512 * (1 + below(7)));
    sim_disk_peek(disk, IO_EXTENTS, at, now, BLOCK);
    if (memcmp(now, before, BLOCK) != 0) {
        must_fail(at, ways[way]);
        if (way == 4)
            must_fail(from, ways[way]);
        must_be_right(at, way == 4 ? from : at);
        if (below(200) == 0)
            must_be_found_by_check();
        count_case(COUNT_DATA_DAMAGE, way == 4 ? 2 : 1);
    }
    sim_disk_poke(disk, IO_EXTENTS, from, other, BLOCK);
    sim_disk_poke(disk, IO_EXTENTS, at, before, BLOCK);
}

/* What is legal when bytes of the journal are gone as well: any state since the last checkpoint. */
static void must_be_legal(struct play *copy, const char *what)
{
    struct model_state found;
    char why[512];

    if (model_state_read(copy->store, &copy->chance, &found) != 0)
        return;
    if (!model_found(copy->history, &found, MODEL_CUT, why, sizeof(why)))
        play_failed(copy, "%s, and no error: %s", what, why);
}

/* False when the block is as it was. */
static bool mutate(struct sim_disk *disk, enum io_file file, uint64_t at)
{
    unsigned char before[BLOCK], now[BLOCK];
    unsigned count = 1 + (unsigned)below(MUTATED_MAX);

    sim_disk_peek(disk, file, at, before, BLOCK);
    memcpy(now, before, BLOCK);
    for (unsigned i = 0; i < count; i++) {
        /* the beginning of a page holds most of its fields */
        size_t place = (size_t)below(below(2) == 0 ? 256 : BLOCK);

        now[place] = below(4) == 0 ? (unsigned char)-(int)below(2) : (unsigned char)below(256);
    }
    sim_disk_poke(disk, file, at, now, BLOCK);
    for (unsigned i = 0; i < BLOCK; i++)
        count_case(COUNT_METADATA_BYTES, now[i] != before[i]);
    return memcmp(now, before, BLOCK) != 0;
}

static void damage_metadata(const struct play *begun)
{
    struct play copy = *begun;
    size_t i = (size_t)below(test.metadata_count);
    enum io_file file = test.metadata[i].file;
    uint64_t at = test.metadata[i].at, image;
    bool one_superblock, changed;
    int rc;

    copy.disk = sim_disk_copy(begun->disk, 1);
    copy.history = model_history_copy(begun->history);
    copy.options.read_only = below(4) == 0;
    changed = mutate(copy.disk, file, at);
    one_superblock = file == IO_EXTENTS && at < LAYOUT_HEADER_BLOCKS * BLOCK;
    rc = store_open(sim_disk_io(copy.disk), &copy.options, &copy.store);
    if (rc != 0 && (one_superblock || !changed))
        play_failed(&copy, "store_open with one damaged copy of the superblock says %d", rc);
    if (rc != 0 && varve_error()[0] == '\0')
        play_failed(&copy, "store_open fails without a message");
    if (rc == 0) {
        struct store_check_result result;

        must_be_legal(&copy, "bytes of metadata were changed");
        (void)store_check(copy.store, 0, no_report, NULL, &result);
        copy.forgiving = true;
        image = model_now(copy.history)->count == 0 ? 0 : model_now(copy.history)->images[0].number;
        if (image != 0 && !copy.options.read_only) {
            struct store_image *open;

            if (store_image_open(copy.store, image, &open) == 0) {
                (void)store_zero(copy.store, open, store_image_size(copy.store, open), 0, 0);
                store_image_close(copy.store, open);
            }
            (void)store_checkpoint(copy.store);
        }
    }
    if (rc != 0)
        copy.store = NULL;
    play_end(&copy);
}

/* A store with a history. Then either a clean stop, or some changes that only the journal has. */
static void begin(const struct play *fresh, uint64_t seed, bool journal)
{
    struct play *play = &test.play;
    uint64_t made;

    *play = *fresh;
    play_random_store(play, seed, HISTORY);
    if (model_now(play->history)->count == 0)
        play_create(play, 256 << 10, &made);
    made = 0;
    for (size_t i = 0; i < model_now(play->history)->count && made == 0; i++)
        if (!model_now(play->history)->images[i].frozen)
            made = model_now(play->history)->images[i].number;
    if (made == 0)
        play_create(play, 256 << 10, &made);
    play_write(play, made, 0, 512, false);
    play_restart(play);
    if (!journal)
        return;
    for (unsigned i = 0; i < 6; i++) { /* flushed, but the model need not know */
        play_write(play, made, 0, 512, false);
        store_flush(play->store);
    }
}

static void run_store(uint64_t seed, bool verbose, const char *again)
{
    const struct play fresh = {.repeat = again, .verbose = verbose, .chance.state = seed};
    struct play *play = &test.play, begun;
    uint64_t first = count_cases(COUNT_DATA_DAMAGE);

    begin(&fresh, seed, false);
    find_places();
    while (test.count > 0 && count_cases(COUNT_DATA_DAMAGE) - first < numbers[BLOCKS].value)
        damage_data();
    play_check(play);
    play_end(play);

    begin(&fresh, seed, true);
    test.count = test.metadata_count = 0;
    find_places();
    store_close(play->store);
    play->store = NULL;
    sim_disk_cut(play->disk, SIM_ALL);
    sim_disk_reboot(play->disk);
    begun = *play;
    begun.disk = sim_disk_copy(play->disk, 1);
    begun.history = model_history_copy(play->history);
    sim_disk_set_hook(begun.disk, see_metadata, NULL);
    if (store_open(sim_disk_io(begun.disk), &begun.options, &begun.store) != 0)
        play_failed(&begun, "store_open says no");
    play_check(&begun);
    play_end(&begun);
    first = count_cases(COUNT_METADATA_BYTES);
    while (test.metadata_count > 0 &&
           count_cases(COUNT_METADATA_BYTES) - first < numbers[BYTES].value)
        damage_metadata(play);
    play_end(play);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "stores", numbers, run_store);
}
