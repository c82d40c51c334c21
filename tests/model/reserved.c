/*
 * Reserved images in full stores:
 *
 *   reserved [--seed N] [--histories N] [--verbose]
 *
 * Other images fill a store, and again whenever something comes back, while a reserved one is
 * written, trimmed, shared by snapshots and clones, rolled back and resized, and the store is cut,
 * killed and opened again. Of what was not refused when the snapshot was taken, no write to the
 * reserved image is refused ever. When all is deleted nothing is set aside and all space is back.
 */
#include "counts.h"
#include "play.h"
#include "seeds.h"

enum { BLOCK = 4096, IMAGE = 4 << 20, OTHERS = 3, ROUNDS = 4, OPERATIONS = 60 };

/* Of the tables of images and of what is to be reclaimed a root and a leaf each may stay. */
enum { TABLES = 4 * BLOCK };

static uint64_t below(struct play *play, uint64_t limit)
{
    return chance_below(&play->chance, limit);
}

static uint64_t size_of(const struct play *play, uint64_t image)
{
    return model_find(model_now(play->history), image)->size;
}

/* Refused writes to others are no matter. */
static bool write_some(struct play *play, uint64_t image)
{
    uint64_t blocks = size_of(play, image) / BLOCK;
    uint64_t count = 1 + below(play, blocks < 300 ? blocks : 300);
    uint64_t part = below(play, 4) == 0 ? 1 + below(play, BLOCK - 1) : 0;
    uint64_t first = below(play, blocks - count + 1);

    return play_write(play, image, first * BLOCK, count * BLOCK - part, below(play, 20) == 0);
}

static void fill(struct play *play, const uint64_t *others)
{
    for (unsigned i = 0; i < OTHERS; i++)
        for (uint64_t at = 0; at < IMAGE; at += 16 * BLOCK)
            if (!play_write(play, others[i], at, 16 * BLOCK, false))
                return;
}

/* A snapshot or clone of the reserved image, if there is one: it is not among the first. */
static uint64_t any_relative(struct play *play, uint64_t last)
{
    struct model_state *now = model_now(play->history);
    uint64_t image = now->images[below(play, now->count)].number;

    return image > last ? image : 0;
}

static void share(struct play *play, uint64_t reserved, uint64_t last)
{
    uint64_t image = any_relative(play, last), made;

    switch (below(play, 5)) {
    case 0:
    case 1:
        if (model_now(play->history)->count < MODEL_IMAGES_MAX - 2)
            play_clone(play, reserved, below(play, 3) != 0, &made);
        break;
    case 2:
    case 3:
        if (image != 0)
            play_delete(play, image);
        break;
    default:
        if (image != 0)
            play_rollback(play, reserved, image);
    }
}

static void one_operation(struct play *play, uint64_t reserved, const uint64_t *others)
{
    uint64_t size, image;

    switch (below(play, 10)) {
    case 0:
    case 1:
        share(play, reserved, others[OTHERS - 1]);
        break;
    case 2:
        image = below(play, 2) == 0 ? reserved : others[below(play, OTHERS)];
        size = size_of(play, image) / BLOCK;
        play_zero(play, image, below(play, size / 2) * BLOCK, (1 + below(play, size / 2)) * BLOCK,
                  false);
        break;
    case 3:
        if (below(play, 4) == 0)
            play_resize(play, reserved, (64 + below(play, IMAGE / BLOCK / 2 - 64)) * BLOCK);
        break;
    case 4:
        if ((image = any_relative(play, others[OTHERS - 1])) != 0 &&
            !model_find(model_now(play->history), image)->frozen)
            write_some(play, image);
        break;
    case 5:
        fill(play, others);
        break;
    default:
        if (!write_some(play, reserved))
            play_failed(play, "a write to a reserved image is refused");
    }
    sim_disk_advance(play->disk, below(play, 1000000000));
    while (below(play, 2) == 0)
        play_step(play, (enum store_work)below(play, STORE_WORKS));
}

/* All of it can be written, whatever else there is. */
static void write_all(struct play *play, uint64_t reserved)
{
    uint64_t size = size_of(play, reserved);

    for (uint64_t at = 0; at < size; at += 16 * BLOCK)
        if (!play_write(play, reserved, at, size - at < 16 * BLOCK ? size - at : 16 * BLOCK, false))
            play_failed(play, "a write to a reserved image is refused");
}

static void get_back(struct play *play, uint64_t empty)
{
    struct store_stats stats;

    while (model_now(play->history)->count > 0)
        play_delete(play, model_now(play->history)->images[0].number);
    play_settle(play);
    store_get_stats(play->store, &stats);
    if (stats.used_bytes > empty + TABLES)
        play_failed(play, "all is deleted, and %llu bytes are in use, not %llu",
                    (unsigned long long)stats.used_bytes, (unsigned long long)empty);
}

static void run_history(uint64_t seed, bool verbose, const char *again)
{
    struct play play = {.repeat = again, .chance.state = seed, .verbose = verbose};
    struct store_stats stats;
    uint64_t size = (1 + seed % 3) * (IMAGE / 4), reserved, others[OTHERS], held;

    play.options = (struct store_options){
        .cache_bytes = 1 << 20, .extent_slots = 2 + (unsigned)below(&play, 3), .extent_blocks = 16};
    play_begin_small(&play, seed, false);
    play_settle(&play);
    store_get_stats(play.store, &stats);
    held = stats.reserve_bytes;
    play.reserves = true;
    play_create(&play, size, &reserved);
    play.reserves = false;
    store_get_stats(play.store, &stats);
    if (stats.reserve_bytes < held + size)
        play_failed(&play, "its size is not set aside");
    for (unsigned i = 0; i < OTHERS; i++)
        play_create(&play, IMAGE, &others[i]);
    play_flush(&play);
    play.reserves = seed % 2 == 0; /* some clones, too */
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned j = 0; j < OPERATIONS; j++)
            one_operation(&play, reserved, others);
        count_case(COUNT_OPERATIONS, OPERATIONS);
        if (below(&play, 2) == 0)
            play_check(&play);
        if (below(&play, 2) == 0)
            sim_disk_cut(play.disk, (enum sim_outcome)below(&play, 3));
        play_recover(&play, sim_disk_is_dead(play.disk) ? MODEL_CUT : MODEL_KILLED, false);
    }
    fill(&play, others);
    write_all(&play, reserved);
    play_check(&play);
    get_back(&play, stats.used_bytes);
    store_get_stats(play.store, &stats);
    if (stats.reserve_bytes != held)
        play_failed(&play, "all is deleted, and %llu bytes are set aside",
                    (unsigned long long)(stats.reserve_bytes - held));
    play_check(&play);
    play_end(&play);
    count_case(COUNT_STORE_FULL, 1);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "histories", NULL, run_history);
}
