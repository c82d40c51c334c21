/*
 * What a compaction does, and what it leaves when others come between its survey and its change: a
 * snapshot makes all shared, and then nothing may be copied.
 */
#include <errno.h>
#include <varve/error.h>

#include "small_store.h"
#include "store/store_compact.h"

enum { SIZE = 2 * MIB, BLOCKS = SIZE / 4096, IMAGE = 1 };

static struct {
    struct sim_disk *disk;
    struct store *store;
    uint64_t snapshot;
    bool armed;
} test;

/* Block i holds i all over; they are written in an order in which no two are neighbours. */
static void begin(void)
{
    struct store_image *image;

    test.disk = small_store_disk(5, 2 * STORE_LIMIT_MIN);
    test.store = small_store_open(test.disk, NULL);
    image = small_store_image(test.store, SIZE);
    for (unsigned i = 0; i < BLOCKS; i++)
        small_store_write(test.store, image, i * 77 % BLOCKS, i * 77 % BLOCKS, 0);
    store_image_close(test.store, image);
}

static void all_is_there(uint64_t number)
{
    static unsigned char bytes[SIZE];

    small_store_read(test.store, number, bytes, SIZE);
    for (uint64_t i = 0; i < SIZE; i++)
        if (bytes[i] != (unsigned char)(i / BLOCK_SIZE))
            check_failed(__FILE__, __LINE__, "byte %d is %d", (int)i, bytes[i]);
}

static struct store_compaction_state compact(void)
{
    struct store_compaction *compaction;
    struct store_compaction_state state;
    int r;

    CHECK_EQ(store_compact_open(test.store, IMAGE, &compaction), 0);
    while ((r = store_compact_step(compaction)) == 1)
        ;
    CHECK_EQ(r, 0);
    state = store_compact_state(compaction);
    store_compact_close(compaction);
    CHECK_EQ(state.moved + state.in_order + state.shared + state.scattered, SIZE);
    return state;
}

static void end(void)
{
    struct store_check_result result;

    all_is_there(IMAGE);
    CHECK_EQ(store_settle(test.store), 0);
    CHECK_EQ(store_check(test.store, STORE_CHECK_DATA, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    store_close(test.store);
    sim_disk_free(test.disk);
}

static void scattered_blocks_are_moved_once(void)
{
    begin();
    CHECK_EQ(compact().moved, SIZE);
    CHECK_EQ(compact().in_order, SIZE);
    end();
}

static void a_frozen_image_is_moved(void)
{
    begin();
    CHECK_EQ(store_image_set_flags(test.store, IMAGE, STORE_IMAGE_FROZEN), 0);
    CHECK_EQ(compact().moved, SIZE);
    end();
}

static void what_is_shared_stays(void)
{
    struct store_clone clone = {.source = IMAGE, .flags = STORE_IMAGE_FROZEN, .label = "s"};

    begin();
    CHECK_EQ(store_image_clone(test.store, &clone, 1), 0);
    CHECK_EQ(compact().shared, SIZE);
    all_is_there(clone.image);
    end();
}

/* When the first block is on its way to its new place, its range is held and no lock is. */
static void freeze_now(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    struct store_clone clone = {.source = IMAGE, .flags = STORE_IMAGE_FROZEN, .label = "s"};

    (void)opaque;
    (void)disk;
    if (!test.armed || event->kind != SIM_WRITE || event->file != IO_EXTENTS)
        return;
    test.armed = false;
    CHECK_EQ(store_image_clone(test.store, &clone, 1), 0);
    test.snapshot = clone.image;
}

static void a_snapshot_in_the_middle(void)
{
    struct store_compaction_state state;
    uint64_t shared;

    begin();
    CHECK_EQ(store_checkpoint(test.store), 0);
    test.armed = true;
    sim_disk_set_hook(test.disk, freeze_now, NULL);
    state = compact();
    sim_disk_set_hook(test.disk, NULL, NULL);
    CHECK(!test.armed);
    CHECK_EQ(state.scattered, MIB); /* overtaken */
    CHECK_EQ(state.shared, MIB);
    CHECK_EQ(store_images_shared(test.store, IMAGE, test.snapshot, &shared), 0);
    CHECK_EQ(shared, SIZE);
    all_is_there(test.snapshot);
    end();
}

/* In a full store it says so. */
static void a_full_store(void)
{
    struct store_compaction *compaction;
    struct store_image *image;
    unsigned char bytes[BLOCK_SIZE] = {1};
    uint64_t block = 0;
    int r = 0;

    test.disk = small_store_disk(6, STORE_LIMIT_MIN);
    test.store = small_store_open(test.disk, NULL);
    image = small_store_image(test.store, STORE_LIMIT_MIN);
    while (r == 0) {
        uint64_t at = block * 77 % (STORE_LIMIT_MIN / BLOCK_SIZE);

        r = store_write(test.store, image, bytes, sizeof bytes, at * BLOCK_SIZE, 0);
        block++;
    }
    CHECK_EQ(r, -ENOSPC);
    CHECK_EQ(store_compact_open(test.store, IMAGE, &compaction), 0);
    while ((r = store_compact_step(compaction)) == 1)
        ;
    CHECK_EQ(r, -ENOSPC);
    CHECK_EQ(store_compact_step(compaction), -ENOSPC);
    store_compact_close(compaction);
    store_image_close(test.store, image);
    store_close(test.store);
    sim_disk_free(test.disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"scattered blocks are moved once", scattered_blocks_are_moved_once},
        {"a frozen image is moved", a_frozen_image_is_moved},
        {"what is shared stays", what_is_shared_stays},
        {"a snapshot in the middle", a_snapshot_in_the_middle},
        {"a full store", a_full_store}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
