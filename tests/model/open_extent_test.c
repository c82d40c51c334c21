/*
 * An open extent outlives a checkpoint when a reader holds it. A place in it whose block was
 * overwritten meanwhile must not be given to another extent before the first one is gone.
 */
#include <varve/error.h>

#include "small_store.h"

enum { MORE = 150, ROUNDS = 20, FIRST = 31 };
enum { IMAGE = 1, OTHER = 2 }; /* numbers */

static struct {
    struct store *store;
    struct store_image *image, *other;
    const struct store_options *options;
    bool armed;
} test;

static void write_block(struct store_image *image, uint64_t block, unsigned value)
{
    small_store_write(test.store, image, block, value, 0);
}

static void read_is(struct store_image *image, uint64_t block, int value)
{
    unsigned char bytes[BLOCK_SIZE];

    if (store_read(test.store, image, bytes, sizeof bytes, block * BLOCK_SIZE) != 0)
        check_failed(__FILE__, __LINE__, "block %d: %s", (int)block, varve_error());
    CHECK_EQ(bytes[0], value);
    CHECK_EQ(bytes[BLOCK_SIZE - 1], value);
}

static void all_is_there(struct store_image *image)
{
    for (unsigned i = 0; i < FIRST; i++)
        read_is(image, i, 50 + (int)i);
    for (unsigned i = 0; i < MORE; i++)
        read_is(image, 100 + i, 100 + (int)i);
}

/* The process dies now, on a copy of the disk. What the held extent has in the stage must not be
 * put over what has its places since. */
static void next_server_finds_all(struct sim_disk *disk)
{
    struct sim_disk *killed = sim_disk_copy(disk, 1);
    struct store *running = test.store;
    struct store_image *image;

    sim_disk_kill(killed, SIM_ALL);
    sim_disk_reboot(killed);
    test.store = small_store_open(killed, test.options);
    CHECK_EQ(store_image_open(test.store, OTHER, &image), 0);
    all_is_there(image);
    store_image_close(test.store, image);
    store_close(test.store);
    sim_disk_free(killed);
    test.store = running;
}

/* While the reader waits for the disk, with a block of the open extent in its hands. */
static void meanwhile(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    (void)opaque;
    if (event->kind != SIM_READ || event->file != IO_EXTENTS || !test.armed)
        return;
    test.armed = false;
    for (unsigned i = 0; i < 2 * FIRST; i++) /* frees their first places */
        write_block(test.other, i % FIRST, 50 + i % FIRST);
    for (unsigned round = 0; round < ROUNDS; round++) { /* until every place was on offer */
        CHECK_EQ(store_checkpoint(test.store), 0);
        for (unsigned i = 0; i < MORE; i++)
            write_block(test.other, 100 + i, 100 + i);
        next_server_finds_all(disk);
    }
}

static void place_in_a_held_extent(void)
{
    struct store_options options = {.extent_slots = 4, .extent_blocks = 32, .inline_bytes = 8192};
    struct sim_disk *disk = small_store_disk(3, STORE_LIMIT_MIN);
    unsigned char bytes[2 * BLOCK_SIZE];

    test.store = small_store_open(disk, &options);
    test.image = small_store_image(test.store, MIB);
    store_image_close(test.store, small_store_image(test.store, MIB));
    write_block(test.image, 0, 1);
    store_image_close(test.store, test.image);
    CHECK_EQ(store_shutdown(test.store), 0); /* from here on block 0 is on the disk only */
    store_close(test.store);
    sim_disk_reboot(disk);
    test.store = small_store_open(disk, &options);
    CHECK_EQ(store_image_open(test.store, IMAGE, &test.image), 0);
    CHECK_EQ(store_image_open(test.store, OTHER, &test.other), 0);
    write_block(test.image, 1, 2);
    for (unsigned i = 0; i < FIRST; i++) /* into the same extent */
        write_block(test.other, i, 10 + i);
    test.options = &options;
    test.armed = true;
    sim_disk_set_hook(disk, meanwhile, NULL);
    CHECK_EQ(store_read(test.store, test.image, bytes, sizeof bytes, 0), 0);
    sim_disk_set_hook(disk, NULL, NULL);
    CHECK(!test.armed); /* else nothing was tried */
    CHECK_EQ(bytes[0], 1);
    CHECK_EQ(bytes[BLOCK_SIZE], 2);
    all_is_there(test.other);
    CHECK_EQ(store_settle(test.store), 0);
    all_is_there(test.other);
    store_image_close(test.store, test.image);
    store_image_close(test.store, test.other);
    store_close(test.store);
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a freed place in an extent that a reader holds", place_in_a_held_extent}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
