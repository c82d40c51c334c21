#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "one_block.h"
#include "sim_disk.h"
#include "varve/error.h"

static void faults(void)
{
    struct sim_disk *disk = fresh(5);
    struct io *io = sim_disk_io(disk);

    sim_disk_fail(disk, &(struct sim_fault){.kinds = SIM_WRITE, .nth = 2, .error = EIO});
    CHECK_EQ(put(disk, IO_EXTENTS, 1, 1, 0), 0);
    CHECK_EQ(get(disk, IO_EXTENTS, 1), 1);
    CHECK_EQ(put(disk, IO_EXTENTS, 2, 1, 0), -EIO);
    CHECK_HAS(varve_error(), "write of 4096 bytes at offset 8192");
    CHECK_EQ(put(disk, IO_EXTENTS, 2, 1, 0), 0);
    sim_disk_fail(
        disk,
        &(struct sim_fault){
            .kinds = SIM_READ, .files = 1 << IO_JOURNAL, .nth = 1, .forever = true, .error = EIO});
    CHECK_EQ(get(disk, IO_EXTENTS, 1), 1);
    CHECK_EQ(get(disk, IO_JOURNAL, 1), -EIO);
    CHECK_EQ(get(disk, IO_JOURNAL, 1), -EIO);
    CHECK_EQ(sim_disk_struck(disk), 3);
    sim_disk_heal(disk);
    CHECK_EQ(get(disk, IO_JOURNAL, 1), 0);
    sim_disk_fail(disk, &(struct sim_fault){.kinds = SIM_ALLOCATE, .nth = 1, .error = ENOSPC});
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 99 * BLOCK), -ENOSPC);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 64 * BLOCK);
    CHECK_EQ(get(disk, IO_EXTENTS, 64), -EIO);
    sim_disk_free(disk);
}

/* A failed sync is not made good by a later one that succeeds. */
static void failed_sync(void)
{
    unsigned lost = 0, seen = 0;

    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim_options options = {.seed = seed, .journal_size = JOURNAL, .stale_cache = true};
        struct sim_disk *disk = sim_disk_new(&options);
        struct io *io = sim_disk_io(disk);
        struct io_request past_the_cache = {.op = IO_READ,
                                            .file = IO_JOURNAL,
                                            .flags = IO_REREAD,
                                            .offset = BLOCK,
                                            .length = BLOCK,
                                            .buffer = back};
        int device;

        CHECK_EQ(put(disk, IO_JOURNAL, 1, 1, 0), 0);
        sim_disk_fail(disk, &(struct sim_fault){.kinds = SIM_SYNC, .nth = 1, .error = EIO});
        CHECK_EQ(sync_file(disk, IO_JOURNAL), -EIO);
        CHECK_EQ(sync_file(disk, IO_JOURNAL), 0);
        CHECK_EQ(get(disk, IO_JOURNAL, 1), 1);
        CHECK_EQ(io->ops->perform(io, &past_the_cache, 1), 0);
        device = back[0];
        sim_disk_kill(disk, SIM_ALL);
        sim_disk_reboot(disk);
        seen += get(disk, IO_JOURNAL, 1) == 1;
        cut(disk, SIM_NONE);
        CHECK_EQ(get(disk, IO_JOURNAL, 1), device);
        lost += device == 0;
        sim_disk_free(disk);
    }
    CHECK(lost > 25 && lost < 75);
    CHECK(seen > 100 - lost &&
          seen < 100); /* some that are lost are still seen, until the power goes */
}

static void no_memory(void)
{
    struct sim_disk *disk = fresh(6);
    struct io *io = sim_disk_io(disk);
    void *one, *other;

    sim_disk_fail_memory(disk, 2, false);
    one = io->ops->memory_allocate(io, BLOCK);
    CHECK(one != NULL);
    CHECK(io->ops->memory_allocate(io, BLOCK) == NULL);
    other = io->ops->memory_allocate(io, 3 * BLOCK);
    CHECK(other != NULL);
    CHECK_EQ(sim_disk_memory(disk), 4 * BLOCK);
    io->ops->memory_free(io, one, BLOCK);
    io->ops->memory_free(io, other, 3 * BLOCK);
    CHECK_EQ(sim_disk_memory(disk), 0);
    sim_disk_fail_memory(disk, 1, true);
    CHECK(io->ops->memory_allocate(io, BLOCK) == NULL);
    CHECK(io->ops->memory_allocate(io, BLOCK) == NULL);
    sim_disk_free(disk);
}

static void damage(void)
{
    struct sim_disk *disk = fresh(7);

    for (unsigned i = 1; i < 6; i++) {
        CHECK_EQ(put(disk, IO_EXTENTS, i, (unsigned char)i, 0), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, i, (unsigned char)(i + 10), 0), 0);
    }
    sim_damage_flip(disk, IO_EXTENTS, BLOCK + 77, 0x80);
    CHECK_EQ(get(disk, IO_EXTENTS, 1), -1);
    CHECK_EQ(back[77], 11 ^ 0x80);
    back[77] = 11;
    CHECK(memcmp(back, back + 1, BLOCK - 1) == 0);
    sim_damage_zero(disk, IO_EXTENTS, 2 * BLOCK);
    CHECK_EQ(get(disk, IO_EXTENTS, 2), 0);
    CHECK(sim_damage_stale(disk, IO_EXTENTS, 3 * BLOCK));
    CHECK_EQ(get(disk, IO_EXTENTS, 3), 3);
    CHECK(!sim_damage_stale(disk, IO_EXTENTS, 20 * BLOCK));
    sim_damage_swap(disk, IO_EXTENTS, 4 * BLOCK, 5 * BLOCK);
    CHECK_EQ(get(disk, IO_EXTENTS, 4), 15);
    CHECK_EQ(get(disk, IO_EXTENTS, 5), 14);
    CHECK_EQ(put(disk, IO_EXTENTS, 6, 1, 0), 0);
    CHECK_EQ(put(disk, IO_EXTENTS, 6, 2, 0), 0);
    sim_damage_misdirect(disk, IO_EXTENTS, 6 * BLOCK, 7 * BLOCK);
    CHECK_EQ(get(disk, IO_EXTENTS, 6), 1);
    CHECK_EQ(get(disk, IO_EXTENTS, 7), 2);
    CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
    cut(disk, SIM_NONE); /* it is on the disk, not in the cache */
    CHECK_EQ(get(disk, IO_EXTENTS, 6), 1);
    CHECK_EQ(get(disk, IO_EXTENTS, 5), 14);
    sim_damage_truncate(disk, IO_EXTENTS, 5 * BLOCK);
    CHECK_EQ(get(disk, IO_EXTENTS, 5), -EIO);
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"faults", faults},
        {"failed sync", failed_sync},
        {"no memory", no_memory},
        {"damage", damage},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
