/*
 * A batch of the journal that is not as it was written. With good ones behind it, it is damage, and
 * opening says so; only the last one may be a torn tail.
 */
#include <errno.h>
#include <varve/error.h>

#include "small_store.h"

enum { BATCHES = 6, FLIPS = 30 };

/* Where the batches lie. */
static struct {
    uint64_t at[BATCHES], length[BATCHES];
    unsigned count;
} batches;

static const struct store_options options = {
    .extent_slots = 2, .extent_blocks = 32, .inline_bytes = 8192};

static void see_batch(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    (void)opaque;
    (void)disk;
    if (event->kind == SIM_WRITE && event->file == IO_JOURNAL && batches.count < BATCHES) {
        batches.at[batches.count] = event->offset;
        batches.length[batches.count++] = event->length;
    }
}

/* A store that lost its power after BATCHES writes with FUA of one block each: block i holds i + 1.
 */
static struct sim_disk *dead_store(void)
{
    struct sim_disk *disk = small_store_disk(3, 16 * MIB);
    struct store *store = small_store_open(disk, &options);
    struct store_image *image = small_store_image(store, MIB);

    CHECK_EQ(store_checkpoint(store), 0);
    batches.count = 0;
    sim_disk_set_hook(disk, see_batch, NULL);
    for (unsigned i = 0; i < BATCHES; i++)
        small_store_write(store, image, i, i + 1, STORE_FUA);
    sim_disk_set_hook(disk, NULL, NULL);
    CHECK_EQ(batches.count, BATCHES);
    sim_disk_cut(disk, SIM_ALL);
    store_image_close(store, image);
    store_close(store);
    sim_disk_reboot(disk);
    return disk;
}

/* How many of the blocks are there; they must be the first ones. */
static unsigned blocks_there(struct store *store)
{
    unsigned char bytes[BATCHES * BLOCK_SIZE];
    unsigned there = 0;

    small_store_read(store, 1, bytes, sizeof bytes);
    while (there < BATCHES && bytes[there * BLOCK_SIZE] == there + 1)
        there++;
    for (unsigned i = there; i < BATCHES; i++)
        CHECK_EQ(bytes[i * BLOCK_SIZE], 0);
    return there;
}

static void middle_batch_is_damage(void)
{
    struct sim_disk *disk = dead_store();

    for (unsigned i = 0; i < BATCHES * FLIPS; i++) {
        unsigned batch = i % BATCHES;
        struct sim_disk *copy = sim_disk_copy(disk, i);
        struct store *store = NULL;
        int rc;

        sim_damage_flip(copy, IO_JOURNAL, batches.at[batch] + i * 257 % batches.length[batch],
                        (unsigned char)(1 << i % 8));
        rc = store_open(sim_disk_io(copy), &options, &store);
        if (batch + 1 < BATCHES) {
            CHECK_EQ(rc, -EIO);
            CHECK_HAS(varve_error(), "journal is damaged");
        } else {
            CHECK_EQ(rc, 0); /* nothing proves that it was whole */
            CHECK_EQ(blocks_there(store), BATCHES - 1);
            store_close(store);
        }
        sim_disk_free(copy);
    }
    sim_disk_free(disk);
}

static void whole_journal_is_replayed(void)
{
    struct sim_disk *disk = dead_store();
    struct store *store = small_store_open(disk, &options);

    CHECK_EQ(blocks_there(store), BATCHES);
    store_close(store);
    sim_disk_free(disk);
}

/* The journal of another store, with batches of the same numbers, is not replayed. */
static void journal_of_another_store(void)
{
    struct sim_disk *disk = dead_store(), *other;
    struct store_geometry geometry = {
        .limit = 16 * MIB, .journal = SMALL_JOURNAL, .identity = "another store!!"};
    unsigned char bytes[BLOCK_SIZE];
    struct store_image_info info;
    struct store *store;

    other = sim_disk_new(&(struct sim_options){.seed = 9, .journal_size = SMALL_JOURNAL});
    CHECK_EQ(store_format(sim_disk_io(other), &geometry), 0);
    for (uint64_t at = 0; at < SMALL_JOURNAL; at += BLOCK_SIZE) {
        sim_disk_peek(disk, IO_JOURNAL, at, bytes, sizeof bytes);
        sim_disk_poke(other, IO_JOURNAL, at, bytes, sizeof bytes);
    }
    store = small_store_open(other, &options);
    CHECK_EQ(store_image_next(store, 0, &info), -ENOENT);
    store_close(store);
    sim_disk_free(other);
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"whole journal is replayed", whole_journal_is_replayed},
        {"damage in the middle of the journal stops the start", middle_batch_is_damage},
        {"journal of another store", journal_of_another_store},
    };

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
