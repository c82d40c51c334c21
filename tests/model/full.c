/*
 * Full stores:
 *
 *   full [--seed N] [--stores N] [--verbose]
 *
 * A store is filled until a write is refused; then, at 95 to 100 %, its blocks are overwritten,
 * shared by snapshots, overwritten again, deleted, cut and opened again. Deleting, trimming,
 * flushing and checkpoints always work, overwriting what an image has alone is never refused, what
 * is refused has had no effect, not even on a part of it, and when all is deleted all space is
 * back.
 */
#include "counts.h"
#include "play.h"
#include "seeds.h"

enum { BLOCK = 4096, IMAGE = 4 << 20, IMAGES = 3, ROUNDS = 40 };

/* Of the tables of images and of what is to be reclaimed a root and a leaf each may stay. */
enum { TABLES = 4 * BLOCK };

static uint64_t below(struct play *play, uint64_t limit)
{
    return chance_below(&play->chance, limit);
}

static bool write_some(struct play *play, uint64_t image)
{
    uint64_t length = BLOCK * (1 + below(play, 16));

    return play_write(play, image, below(play, (IMAGE - length) / BLOCK) * BLOCK, length,
                      chance_hit(&play->chance, 1, 20));
}

static void fill(struct play *play, const uint64_t *images)
{
    uint64_t piece = 16 * BLOCK;

    for (unsigned i = 0; i < IMAGES; i++)
        for (uint64_t at = 0; at < IMAGE; at += piece)
            if (!play_write(play, images[i], at, piece, false))
                return;
}

static uint64_t used(struct play *play)
{
    struct store_stats stats;

    store_get_stats(play->store, &stats);
    return stats.used_bytes;
}

static uint64_t any(struct play *play)
{
    struct model_state *now = model_now(play->history);

    return now->images[below(play, now->count)].number;
}

static void one_round(struct play *play, const uint64_t *images)
{
    uint64_t head = images[below(play, IMAGES)], made, image;

    switch (below(play, 8)) {
    case 0:
        if (model_now(play->history)->count < MODEL_IMAGES_MAX - 2)
            play_clone(play, head, true, &made);
        break;
    case 1:
        image = any(play);
        if (image > images[IMAGES - 1])
            play_delete(play, image);
        break;
    case 2:
        play_zero(play, head, below(play, IMAGE / BLOCK - 8) * BLOCK, 8 * BLOCK, false);
        break;
    case 3:
        if (!play_flush(play))
            play_failed(play, "a full store does not flush");
        break;
    case 4:
        play_checkpoint(play);
        break;
    default:
        write_some(play, head);
    }
    sim_disk_advance(play->disk, below(play, 100000000));
    if (chance_hit(&play->chance, 1, 3))
        play_step(play, (enum store_work)below(play, STORE_WORKS));
}

/* Without snapshots every block that is there belongs to one image alone. */
static void overwrite_own(struct play *play, uint64_t image)
{
    for (uint64_t at = 0; at < IMAGE / 4; at += 8 * BLOCK)
        if (!play_write(play, image, at, 8 * BLOCK, false))
            play_failed(play, "overwriting an image's own blocks is refused");
}

static void run_store(uint64_t seed, bool verbose, const char *again)
{
    struct play play = {.repeat = again, .chance.state = seed, .verbose = verbose};
    uint64_t images[IMAGES], empty, last;

    play.options = (struct store_options){
        .cache_bytes = 1 << 20, .extent_slots = 2 + (unsigned)below(&play, 3), .extent_blocks = 16};
    play_begin_small(&play, seed, false);
    play_settle(&play);
    empty = used(&play);
    for (unsigned i = 0; i < IMAGES; i++)
        play_create(&play, IMAGE, &images[i]);
    fill(&play, images);
    if (!play_flush(&play))
        play_failed(&play, "a full store does not flush");
    overwrite_own(&play, images[0]);
    for (unsigned i = 0; i < ROUNDS; i++)
        one_round(&play, images);
    if (below(&play, 2) == 0)
        sim_disk_cut(play.disk, (enum sim_outcome)below(&play, 3));
    play_recover(&play, sim_disk_is_dead(play.disk) ? MODEL_CUT : MODEL_KILLED, false);
    for (unsigned i = 0; i < ROUNDS / 2; i++)
        one_round(&play, images);
    play_compare(&play);
    for (unsigned i = 0; i < IMAGES; i++)
        play_zero(&play, images[i], 0, IMAGE / 2, false);
    while (model_now(play.history)->count > 0) {
        last = any(&play);
        play_delete(&play, last);
    }
    play_settle(&play);
    if (used(&play) > empty + TABLES)
        play_failed(&play, "all is deleted, and %llu bytes are in use, not %llu",
                    (unsigned long long)used(&play), (unsigned long long)empty);
    play_check(&play);
    play_end(&play);
    count_case(COUNT_STORE_FULL, 1);
    count_case(COUNT_OPERATIONS, play.operation);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "stores", NULL, run_store);
}
