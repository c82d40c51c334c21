/*
 * Operations by chance, of all kinds and around all borders.
 */
#include "play_random.h"

enum { BLOCK = 4096, IMAGES = MODEL_IMAGES_MAX - 2 };

static uint64_t below(struct play *play, uint64_t limit)
{
    return chance_below(&play->chance, limit);
}

static bool hit(struct play *play, uint64_t of, uint64_t out_of)
{
    return chance_hit(&play->chance, of, out_of);
}

/* Sizes around the borders that matter: a block, an odd end, a leaf of 1 MiB, more than one leaf.
 */
uint64_t play_random_size(struct chance *chance)
{
    static const uint64_t sizes[] = {512,     BLOCK,           16 * BLOCK,         100 << 10,
                                     1 << 20, (1 << 20) + 512, (3 << 20) + 5 * 512};

    return chance_hit(chance, 1, 2) ? sizes[chance_below(chance, 7)]
                                    : (1 + chance_below(chance, 2048)) * 512;
}

/* A random image; 0 when there is none. Half the time the lowest, so that it gets a history. */
static uint64_t any_image(struct play *play)
{
    struct model_state *now = model_now(play->history);

    if (now->count == 0)
        return 0;
    return now->images[hit(play, 1, 2) ? 0 : below(play, now->count)].number;
}

/* A range of the image, of all kinds that a client sends. False when it would be empty. */
static bool any_range(struct play *play, uint64_t image, uint64_t *ret_offset, uint64_t *ret_length)
{
    uint64_t size = model_find(model_now(play->history), image)->size, length, offset;
    bool aligned = hit(play, 2, 3);

    offset = below(play, size);
    length = hit(play, 2, 3)   ? BLOCK
             : hit(play, 3, 4) ? 1 + below(play, 16 * BLOCK)
                               : 1 + below(play, 600 << 10);
    if (!aligned && length == BLOCK)
        length = 1 + below(play, 2 * BLOCK);
    if (aligned) {
        offset -= offset % BLOCK;
        length = (length + BLOCK - 1) / BLOCK * BLOCK;
    }
    if (hit(play, 1, 2) && size > 64 * BLOCK)
        offset %= 64 * BLOCK; /* hot */
    *ret_offset = offset;
    *ret_length = length < size - offset ? length : size - offset;
    return *ret_length > 0;
}

static void table_operation(struct play *play)
{
    uint64_t image = any_image(play), other = any_image(play), made;
    bool full = model_now(play->history)->count >= IMAGES;

    if (image == 0 || (!full && hit(play, 1, 6))) {
        play_create(play, play_random_size(&play->chance), &made);
        return;
    }
    switch (below(play, full ? 2 : 9)) {
    case 0:
    case 1:
        play_delete(play, image);
        break;
    case 2:
    case 3:
    case 4:
        play_clone(play, image, true, &made);
        break;
    case 5:
        play_clone(play, image, false, &made);
        break;
    case 6:
        play_resize(play, image, play_random_size(&play->chance));
        break;
    case 7:
        if (image != other)
            play_rollback(play, image, other);
        break;
    default:
        if (hit(play, 1, 4))
            play_freeze(play, image);
    }
}

void play_random(struct play *play)
{
    uint64_t image = any_image(play), offset, length, kind = below(play, 100);

    if (image == 0 || kind < 8) {
        table_operation(play);
    } else if (kind < 16) {
        play_flush(play);
    } else if (kind < 30) {
        if (any_range(play, image, &offset, &length))
            play_zero(play, image, offset, length, hit(play, 1, 10));
    } else if (kind < 45) {
        if (any_range(play, image, &offset, &length))
            play_read(play, image, offset, length);
    } else if (kind < 48) {
        play_compact(play, image);
    } else if (kind < 98) {
        if (any_range(play, image, &offset, &length))
            play_write(play, image, offset, length, hit(play, 1, 10));
    } else if (kind == 98) {
        play_checkpoint(play);
    } else {
        play_settle(play);
    }
    if (model_under_way(play->history))
        return; /* the disk died, or the store failed */
    sim_disk_advance(play->disk, below(play, 200000000));
    while (!sim_disk_is_dead(play->disk) && !store_failed(play->store) && hit(play, 1, 3))
        play_step(play, (enum store_work)below(play, STORE_WORKS));
}

void play_random_store(struct play *play, uint64_t seed, unsigned operations)
{
    uint64_t made;

    play->options = (struct store_options){
        .cache_bytes = 1 << 20, .extent_slots = 2, .extent_blocks = 8, .inline_bytes = 16384};
    play_begin_small(play, seed, false);
    play_create(play, 256 << 10, &made);
    play_write(play, made, 0, (uint64_t)40 * BLOCK, false);
    for (unsigned i = 0; i < operations; i++)
        play_random(play);
}
