/*
 * What the store says of its space, against the model:
 *
 *   figures [--seed N] [--histories N] [--verbose]
 *
 * After a random history of all operations: what each image maps, what images have alone, one by
 * one and several together, what two of them share, and what differs between two, block by block.
 * Then, on a copy of the disk, the several are deleted, and what comes back is what was foretold.
 * Stops and kills are between the operations.
 */

#include "counts.h"
#include "model_space.h"
#include "play.h"
#include "play_random.h"
#include "seeds.h"

enum { ROUNDS = 12, OPERATIONS = 40, BLOCK = 4096, DIFFERENCES = 9, TABLE_PAGES = 8 };

static uint64_t below(struct play *play, uint64_t limit)
{
    return chance_below(&play->chance, limit);
}

static void must_be(const struct play *play, const char *what, uint64_t image, uint64_t found,
                    uint64_t wanted)
{
    if (found != wanted)
        play_failed(play, "%s (image %llu): the store says %llu bytes, the model %llu", what,
                    (unsigned long long)image, (unsigned long long)found,
                    (unsigned long long)wanted);
}

static void usage_is(struct play *play, const uint64_t *images, size_t count,
                     struct store_usage *ret_usage)
{
    struct model_state *now = model_now(play->history);
    uint64_t mapped = 0;

    if (store_images_usage(play->store, images, count, ret_usage) != 0)
        play_failed(play, "store_images_usage fails");
    for (size_t i = 0; i < count; i++)
        mapped += model_mapped(model_find(now, images[i]));
    must_be(play, "mapped", images[0], ret_usage->mapped, mapped);
    must_be(play, count == 1 ? "data of it alone" : "data of several", images[0], ret_usage->data,
            model_alone(now, images, count));
}

/* What has to be set aside for it, if it is reserved: all but what it has for itself. */
static uint64_t aside_wanted(const struct play *play, const struct model_image *image)
{
    uint64_t size = (image->size + BLOCK - 1) / BLOCK * BLOCK;

    return size - model_alone(model_now(play->history), &image->number, 1);
}

/* In a store that has settled. */
static void aside_is(const struct play *play, struct store *store)
{
    const struct model_state *now = model_now(play->history);

    for (size_t i = 0; i < now->count; i++) {
        const struct model_image *image = &now->images[i];
        struct store_image_info info;

        if (store_image_stat(store, image->number, &info) != 0)
            play_failed(play, "store_image_stat fails");
        must_be(play, "set aside", image->number, info.set_aside,
                (info.flags & STORE_IMAGE_RESERVED) != 0 ? aside_wanted(play, image) : 0);
    }
}

static void image_is(struct play *play, const struct model_image *image)
{
    struct store_image_info info;
    struct store_usage usage;

    if (store_image_stat(play->store, image->number, &info) != 0)
        play_failed(play, "store_image_stat fails");
    if ((info.flags & STORE_IMAGE_RESERVED) != 0 && info.set_aside < aside_wanted(play, image))
        play_failed(play, "image %llu: %llu bytes are set aside, and it can write %llu",
                    (unsigned long long)image->number, (unsigned long long)info.set_aside,
                    (unsigned long long)aside_wanted(play, image));
    must_be(play, "mapped by stat", image->number, info.mapped, model_mapped(image));
    usage_is(play, &image->number, 1, &usage);
}

static enum store_comparison difference(const struct model_image *from,
                                        const struct model_image *to, uint64_t block)
{
    return model_same_block(from, to, block) ? STORE_SAME
           : model_has_block(to, block)      ? STORE_DIFF_DATA
                                             : STORE_DIFF_HOLE;
}

/* All of the two, and a bit more; lists of a few at a time. */
static void pair_is(struct play *play, const struct model_image *from, const struct model_image *to)
{
    struct store_difference differences[DIFFERENCES];
    struct store_image *a, *b;
    uint64_t end = (from->size > to->size ? from->size : to->size) / BLOCK * BLOCK + 3 * BLOCK,
             shared;

    if (store_images_shared(play->store, from->number, to->number, &shared) != 0)
        play_failed(play, "store_images_shared fails");
    must_be(play, "shared", from->number, shared, model_shared(from, to));
    if (store_image_open(play->store, from->number, &a) != 0 ||
        store_image_open(play->store, to->number, &b) != 0)
        play_failed(play, "store_image_open fails");
    for (uint64_t at = 0; at < end;) {
        int count = store_compare(play->store, a, b, end - at, at, differences,
                                  1 + (unsigned)below(play, DIFFERENCES));

        if (count <= 0)
            play_failed(play, "store_compare says %d", count);
        for (int i = 0; i < count; i++) {
            if (differences[i].offset != at || differences[i].length == 0)
                play_failed(play, "store_compare leaves a gap at %llu", (unsigned long long)at);
            for (; at < differences[i].offset + differences[i].length; at += BLOCK)
                if (differences[i].what != difference(from, to, at / BLOCK))
                    play_failed(play, "byte %llu of images %llu and %llu: compared as %d, not %d",
                                (unsigned long long)at, (unsigned long long)from->number,
                                (unsigned long long)to->number, (int)differences[i].what,
                                (int)difference(from, to, at / BLOCK));
        }
    }
    store_image_close(play->store, a);
    store_image_close(play->store, b);
}

static uint64_t used_after_settling(const struct play *play, struct store *store)
{
    struct store_stats stats;

    if (store_settle(store) != 0)
        play_failed(play, "the copy does not settle");
    store_get_stats(store, &stats);
    return stats.used_bytes;
}

/* On a copy: what the deletes bring back. Pages of the table of images come back besides. Foretold
 * by the copy: pages that were made an image's own for a change that then was none (a hole where
 * one was) are shared again after recovery. */
static void comes_back(const struct play *play, const uint64_t *images, size_t count, uint64_t data)
{
    struct sim_disk *disk = sim_disk_copy(play->disk, play->operation);
    struct store *store;
    struct store_usage usage;
    uint64_t before, back, wanted;

    sim_disk_reboot(disk);
    if (store_open(sim_disk_io(disk), &play->options, &store) != 0)
        play_failed(play, "the copy does not open");
    before = used_after_settling(play, store);
    aside_is(play, store);
    if (store_images_usage(store, images, count, &usage) != 0)
        play_failed(play, "store_images_usage fails on the copy");
    must_be(play, "data of several on the copy", images[0], usage.data, data);
    wanted = usage.data + usage.metadata;
    for (size_t i = 0; i < count; i++)
        if (store_image_delete(store, images[i]) != 0)
            play_failed(play, "the copy does not delete");
    back = before - used_after_settling(play, store);
    if (back < wanted || back > wanted + TABLE_PAGES * BLOCK)
        play_failed(play, "deleting %zu images brings back %llu bytes, and %llu were foretold",
                    count, (unsigned long long)back, (unsigned long long)wanted);
    store_close(store);
    sim_disk_free(disk);
}

static void all_is(struct play *play)
{
    struct model_state *now = model_now(play->history);
    uint64_t some[MODEL_IMAGES_MAX];
    struct store_usage usage;
    size_t count = 0;

    for (int more = 1; more == 1;)
        if ((more = store_step(play->store, STORE_RECLAIM)) < 0)
            play_failed(play, "reclaim says %d", more);
    for (size_t i = 0; i < now->count; i++) {
        image_is(play, &now->images[i]);
        pair_is(play, &now->images[i], &now->images[below(play, now->count)]);
        if (chance_hit(&play->chance, 1, 2))
            some[count++] = now->images[i].number;
    }
    if (count == 0)
        return;
    usage_is(play, some, count, &usage);
    comes_back(play, some, count, usage.data);
}

static void run_history(uint64_t seed, bool verbose, const char *again)
{
    const struct sim_options disk = {.seed = seed, .journal_size = 1 << 20};
    const struct store_geometry geometry = {.limit = 64 << 20, .journal = 1 << 20};
    struct play play = {
        .repeat = again, .chance.state = seed, .verbose = verbose, .reserves = true};

    play.options = (struct store_options){.cache_bytes = 1 << 20,
                                          .extent_slots = 2,
                                          .extent_blocks = 8,
                                          .straight_bytes = seed % 2 == 0 ? 0 : 8192};
    play.disk = sim_disk_new(&disk);
    play_begin(&play, &geometry);
    model_now(play.history)->keeps_zeroes = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned j = 0; j < OPERATIONS; j++)
            play_random(&play);
        count_case(COUNT_OPERATIONS, OPERATIONS);
        all_is(&play);
        if (chance_hit(&play.chance, 1, 3))
            play_restart(&play);
        else if (chance_hit(&play.chance, 1, 3)) {
            sim_disk_kill(play.disk, SIM_SOME);
            play_recover(&play, MODEL_KILLED, false);
        }
        all_is(&play);
    }
    play_check(&play);
    play_end(&play);
}

int main(int argc, char **argv)
{
    return seeds_main(argc, argv, "histories", NULL, run_history);
}
