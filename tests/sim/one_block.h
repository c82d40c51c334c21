/*
 * Blocks that hold one byte all over, on a simulated disk of 64: what the tests of the disk write
 * and read.
 */
#ifndef SIM_ONE_BLOCK_H
#define SIM_ONE_BLOCK_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "sim_disk.h"

enum { BLOCK = 4096, JOURNAL = 64 * BLOCK };

static _Alignas(BLOCK) unsigned char memory[32][BLOCK];
static _Alignas(BLOCK) unsigned char back[BLOCK];

static inline struct sim_disk *fresh(uint64_t seed)
{
    struct sim_options options = {.seed = seed, .journal_size = JOURNAL};
    struct sim_disk *disk = sim_disk_new(&options);
    struct io *io = sim_disk_io(disk);

    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 64 * BLOCK), 0);
    return disk;
}

static inline struct io_request writing(enum io_file file, unsigned block, unsigned char value,
                                        unsigned flags)
{
    memset(memory[value % 32], value, BLOCK);
    return (struct io_request){.op = IO_WRITE,
                               .file = file,
                               .flags = flags,
                               .offset = (uint64_t)block * BLOCK,
                               .length = BLOCK,
                               .buffer = memory[value % 32]};
}

static inline int put(struct sim_disk *disk, enum io_file file, unsigned block, unsigned char value,
                      unsigned flags)
{
    struct io *io = sim_disk_io(disk);
    struct io_request request = writing(file, block, value, flags);

    return io->ops->perform(io, &request, 1);
}

static inline int sync_file(struct sim_disk *disk, enum io_file file)
{
    struct io *io = sim_disk_io(disk);
    struct io_request request = {.op = IO_SYNC, .file = file};

    return io->ops->perform(io, &request, 1);
}

/* The byte that a whole block holds; -1 when it is a mix, or the -errno of reading it. */
static inline int get(struct sim_disk *disk, enum io_file file, unsigned block)
{
    struct io *io = sim_disk_io(disk);
    struct io_request request = {.op = IO_READ,
                                 .file = file,
                                 .offset = (uint64_t)block * BLOCK,
                                 .length = BLOCK,
                                 .buffer = back};
    int rc = io->ops->perform(io, &request, 1);

    if (rc != 0)
        return rc;
    return memcmp(back, back + 1, BLOCK - 1) == 0 ? back[0] : -1;
}

static inline void cut(struct sim_disk *disk, enum sim_outcome outcome)
{
    sim_disk_cut(disk, outcome);
    CHECK(sim_disk_is_dead(disk));
    CHECK_EQ(put(disk, IO_EXTENTS, 0, 99, IO_DURABLE), -EIO);
    CHECK_EQ(get(disk, IO_EXTENTS, 0), -EIO);
    sim_disk_reboot(disk);
}

#endif
