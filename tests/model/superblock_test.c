/*
 * A checkpoint that came only as far as its first superblock copy, and a power cut that tears the
 * same copy when the next checkpoint writes it: the other copies must not be left behind so far
 * that what they refer to is overwritten by then.
 */
#include "small_store.h"

enum { LENGTH = 300000, TEARS = 40 };

static const struct store_options options = {.extent_slots = 2, .extent_blocks = 32};
static unsigned char written[LENGTH], found[LENGTH];

/* Remembers the events that write a superblock copy. */
struct watch {
    unsigned copy;
    uint64_t first, last;
};

/* While the second checkpoint writes its first superblock copy, a client writes on: recovery has
 * something to do then, and so has its checkpoint. */
static struct {
    struct store *store;
    struct store_image *image;
    bool armed;
} client;

static void write_on(void)
{
    client.armed = false;
    memset(written + LENGTH / 2, 'z', LENGTH / 2);
    store_write(client.store, client.image, written + LENGTH / 2, LENGTH / 2, LENGTH / 2,
                STORE_FUA);
}

static void watch_copy(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    struct watch *watch = opaque;

    (void)disk;
    if (event->kind == SIM_WRITE && event->file == IO_EXTENTS && event->offset == 0 &&
        client.armed) {
        write_on();
    }
    if (event->kind == SIM_WRITE && event->file == IO_EXTENTS &&
        event->offset == pblock_offset(layout_superblock(watch->copy))) {
        watch->first = watch->first == 0 ? event->number : watch->first;
        watch->last = event->number;
    }
}

/* Two checkpoints with a change between them, so that both slots of counts and summaries are used.
 */
static void play(struct sim_disk *disk)
{
    struct store *store = small_store_open(disk, &options);
    struct store_image *image = small_store_image(store, 4 * MIB);

    for (int round = 0; round < 2; round++) {
        memset(written, 'a' + round, sizeof written);
        CHECK_EQ(store_write(store, image, written, sizeof written, 0, STORE_FUA), 0);
        client.store = store;
        client.image = image;
        client.armed = round == 1;
        store_checkpoint(store); /* the last one may be cut */
    }
    store_image_close(store, image);
    store_close(store);
}

static void read_back(struct sim_disk *disk)
{
    struct store *store = small_store_open(disk, &options);

    small_store_read(store, 1, found, sizeof found);
    CHECK(memcmp(found, written, sizeof found) == 0);
    store_close(store);
}

/* The number of the event in which opening that disk first writes superblock copy 0. */
static uint64_t find_first_copy(struct sim_disk *disk)
{
    struct sim_disk *trial = sim_disk_copy(disk, 1);
    struct watch watch = {.copy = 0};

    sim_disk_set_hook(trial, watch_copy, &watch);
    store_close(small_store_open(trial, &options));
    sim_disk_free(trial);
    return watch.first;
}

static void newest_copy_torn(void)
{
    struct watch watch = {.copy = 1};
    struct sim_disk *disk = small_store_disk(5, 16 * MIB);

    sim_disk_set_hook(disk, watch_copy, &watch);
    play(disk);
    sim_disk_free(disk);

    disk = small_store_disk(5, 16 * MIB);
    sim_disk_set_hook(disk, watch_copy, &watch);
    sim_disk_cut_at(disk, watch.last, SIM_NONE);
    play(disk);
    sim_disk_set_hook(disk, NULL, NULL);
    CHECK(sim_disk_is_dead(disk));
    sim_disk_reboot(disk);
    uint64_t event = find_first_copy(disk);
    CHECK(event > 0);
    for (unsigned seed = 1; seed <= TEARS; seed++) {
        struct sim_disk *torn = sim_disk_copy(disk, seed);
        struct store *store = NULL;

        sim_disk_cut_at(torn, event, SIM_SOME);
        CHECK(store_open(sim_disk_io(torn), &options, &store) != 0);
        sim_disk_reboot(torn);
        read_back(torn);
        sim_disk_free(torn);
    }
    read_back(disk);
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {{"newest superblock copy torn", newest_copy_torn}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
