/*
 * What a killed server leaves in its open extents is in part in its places already, durable, and
 * referred to by the journal. Recovery must not write it anew: the power could go in the middle of
 * that.
 */
#include <varve/error.h>

#include "check.h"
#include "format/layout.h"
#include "sim_disk.h"
#include "store/store.h"

enum { MIB = 1 << 20, WRITES = 5, SEEDS = 8 };

/* no block travels in a batch: each flush has it written to its place, and synced */
static const struct store_options options = {.extent_slots = 2, .extent_blocks = 32};

/* A store whose server was killed. Blocks 0 to WRITES - 1 hold their number and one, and all were
 * flushed. */
static struct sim_disk *killed_store(void)
{
    struct sim_disk *disk = sim_disk_new(&(struct sim_options){.seed = 3, .journal_size = MIB / 2});
    struct store_geometry geometry = {.limit = 16 * MIB, .journal = MIB / 2};
    unsigned char bytes[BLOCK_SIZE];
    struct store_image *image;
    struct store *store;
    uint64_t number;

    CHECK_EQ(store_format(sim_disk_io(disk), &geometry), 0);
    CHECK_EQ(store_open(sim_disk_io(disk), &options, &store), 0);
    CHECK_EQ(store_image_create(store, MIB, 0, "volume a", &number), 0);
    CHECK_EQ(store_image_open(store, number, &image), 0);
    CHECK_EQ(store_checkpoint(store), 0);
    for (unsigned i = 0; i < WRITES; i++) {
        memset(bytes, (int)i + 1, sizeof bytes);
        CHECK_EQ(store_write(store, image, bytes, sizeof bytes, (uint64_t)i * BLOCK_SIZE, 0), 0);
        CHECK_EQ(store_flush(store), 0);
    }
    sim_disk_kill(disk, SIM_ALL);
    store_image_close(store, image);
    store_close(store);
    sim_disk_reboot(disk);
    return disk;
}

static void all_is_there(struct sim_disk *disk)
{
    unsigned char bytes[WRITES * BLOCK_SIZE];
    struct store_image *image;
    struct store *store = NULL;

    if (store_open(sim_disk_io(disk), &options, &store) != 0)
        check_failed(__FILE__, __LINE__, "open: %s", varve_error());
    CHECK_EQ(store_image_open(store, 1, &image), 0);
    if (store_read(store, image, bytes, sizeof bytes, 0) != 0)
        check_failed(__FILE__, __LINE__, "read: %s", varve_error());
    for (unsigned i = 0; i < WRITES; i++)
        CHECK_EQ(bytes[i * BLOCK_SIZE], i + 1);
    store_image_close(store, image);
    store_close(store);
}

static void power_goes_in_recovery(void)
{
    struct sim_disk *disk = killed_store();
    unsigned cuts = 0;
    bool cut = true;

    for (uint64_t event = sim_disk_events(disk) + 1; cut; event++) {
        for (uint64_t seed = 1; seed <= SEEDS && cut; seed++) {
            struct sim_disk *copy = sim_disk_copy(disk, seed);
            struct store *store = NULL;

            sim_disk_cut_at(copy, event, SIM_SOME);
            cut = store_open(sim_disk_io(copy), &options, &store) != 0;
            CHECK(cut || !sim_disk_is_dead(copy)); /* else recovery has no event of that number */
            store_close(store);
            sim_disk_reboot(copy);
            all_is_there(copy);
            sim_disk_free(copy);
            cuts += cut;
        }
    }
    printf("%u cuts\n", cuts);
    CHECK(cuts > 10 * SEEDS); /* else little was tried */
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"the power goes while recovery looks at a dead server's extents", power_goes_in_recovery}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
