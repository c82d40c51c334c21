/*
 * What a killed server leaves in its open extents is in part in its places already, durable, and
 * referred to by the journal. Recovery must not write it anew: the power could go in the middle of
 * that.
 */
#include "small_store.h"

enum { WRITES = 5, SEEDS = 8 };

/* no block travels in a batch: each flush has it written to its place, and synced */
static const struct store_options options = {.extent_slots = 2, .extent_blocks = 32};

/* A store whose server was killed. Blocks 0 to WRITES - 1 hold their number and one, and all were
 * flushed. */
static struct sim_disk *killed_store(void)
{
    struct sim_disk *disk = small_store_disk(3, 16 * MIB);
    struct store *store = small_store_open(disk, &options);
    struct store_image *image = small_store_image(store, MIB);

    CHECK_EQ(store_checkpoint(store), 0);
    for (unsigned i = 0; i < WRITES; i++) {
        small_store_write(store, image, i, i + 1, 0);
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
    struct store *store = small_store_open(disk, &options);

    small_store_read(store, 1, bytes, sizeof bytes);
    for (unsigned i = 0; i < WRITES; i++)
        CHECK_EQ(bytes[i * BLOCK_SIZE], i + 1);
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
