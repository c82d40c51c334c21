/*
 * A checkpoint that came only as far as its first superblock copy, and a power cut that tears the
 * same copy when the next checkpoint writes it: the other copies must not be left behind so far
 * that what they refer to is overwritten by then.
 */
#include <varve/error.h>

#include "check.h"
#include "format/layout.h"
#include "sim_disk.h"
#include "store/store.h"

enum { MIB = 1 << 20, LENGTH = 300000, TEARS = 40 };

static unsigned char written[LENGTH], found[LENGTH];

static struct store *must_open(struct sim_disk *disk)
{
    struct store_options options = {.extent_slots = 2, .extent_blocks = 32};
    struct store *store = NULL;

    if (store_open(sim_disk_io(disk), &options, &store) != 0)
        check_failed(__FILE__, __LINE__, "open: %s", varve_error());
    return store;
}

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
    struct store_geometry geometry = {.limit = 16 * MIB, .journal = MIB / 2};
    struct store_image *image;
    uint64_t number;

    CHECK_EQ(store_format(sim_disk_io(disk), &geometry), 0);
    struct store *store = must_open(disk);
    CHECK_EQ(store_image_create(store, 4 * MIB, 0, "volume a", &number), 0);
    CHECK_EQ(store_image_open(store, number, &image), 0);
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
    struct store *store = must_open(disk);
    struct store_image *image;

    CHECK_EQ(store_image_open(store, 1, &image), 0);
    CHECK_EQ(store_read(store, image, found, sizeof found, 0), 0);
    CHECK(memcmp(found, written, sizeof found) == 0);
    store_image_close(store, image);
    store_close(store);
}

static struct sim_disk *new_disk(void)
{
    return sim_disk_new(&(struct sim_options){.seed = 5, .journal_size = MIB / 2});
}

/* The number of the event in which opening that disk first writes superblock copy 0. */
static uint64_t find_first_copy(struct sim_disk *disk)
{
    struct sim_disk *trial = sim_disk_copy(disk, 1);
    struct watch watch = {.copy = 0};

    sim_disk_set_hook(trial, watch_copy, &watch);
    store_close(must_open(trial));
    sim_disk_free(trial);
    return watch.first;
}

static void newest_copy_torn(void)
{
    struct watch watch = {.copy = 1};
    struct sim_disk *disk = new_disk();

    sim_disk_set_hook(disk, watch_copy, &watch);
    play(disk);
    sim_disk_free(disk);

    disk = new_disk();
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
        CHECK(store_open(sim_disk_io(torn),
                         &(struct store_options){.extent_slots = 2, .extent_blocks = 32},
                         &store) != 0);
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
