/*
 * The seam between the store and the world: the store reaches files, time, chance and memory only
 * through this table. Production puts io_uring behind it (io_uring.c), tests a simulated disk.
 *
 * A store has two files: the extents (data and all metadata but the journal) and the journal. Both
 * are addressed in bytes; every offset and length of a read or write is a multiple of 4096. The
 * buffer of a write with IO_DURABLE or IO_BULK is aligned to 4096 (get it from memory_allocate or
 * stage_map). Other writes and reads may go from and to any address: the client's buffer, which
 * nobody aligned.
 *
 * Ordering: io_perform returns when all its requests are complete; requests within one call have no
 * order among them. A sync covers exactly the writes that were complete before the call that
 * carries it: never put a write and the sync that must cover it in the same call, except
 * IO_DURABLE.
 *
 * Errors: 0 or -errno in each request. Short transfers and EINTR and EAGAIN are completed below the
 * seam and never seen above it, but EAGAIN with IO_NOWAIT. A read past the end of the file gives
 * -EIO. An implementation must not retry a failed sync.
 *
 * Threads: all functions may be called from any thread at once.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stddef.h>
#include <stdint.h>

enum io_file { IO_EXTENTS = 0, IO_JOURNAL = 1, IO_FILES = 2 };

enum io_op {
    IO_READ,
    IO_WRITE,
    IO_SYNC, /* data and what is needed to find it (fdatasync) */
};

enum io_flags {
    IO_DURABLE =
        1, /* write: complete only when this write is durable (RWF_DSYNC); covers no other write */
    IO_BULK =
        2, /* write of a whole extent that will not be read soon: may go past the page cache */
    IO_REREAD = 4,  /* read that found damage before: go past every cache there is */
    IO_EARLY = 8,   /* write: on its way to the device when the call returns, so that a sync that
                       follows has less to wait for; the buffer is free again */
    IO_NOWAIT = 16, /* read: -EAGAIN when it would have to wait for the device; the read may be on
                       its way then. Where that cannot be told it waits all the same */
};

struct io_request {
    enum io_op op;
    enum io_file file;
    unsigned flags;
    uint64_t offset; /* bytes */
    size_t length;   /* bytes */
    void *buffer;    /* not changed by a write */
    int result;      /* set: 0 or -errno */
};

struct io; /* begins with its operations: see struct io_ops */

struct io_ops {
    /* Performs all requests, each to its end, and returns the first nonzero result in order, or 0.
     */
    int (*perform)(struct io *io, struct io_request *requests, size_t count);
    /* Begins to read the ranges of the extents into the page cache and does not wait. A hint: it
     * may do nothing. Of the requests only offset and length count. */
    void (*read_ahead)(struct io *io, const struct io_request *requests, size_t count);

    /* Bytes that the file or device has now. */
    uint64_t (*size)(struct io *io, enum io_file file);
    /* Sees to it that the range exists and that writing to it cannot fail for want of space
     * (fallocate). Grows the file when needed. -ENOSPC when that is not to be had. The contents of
     * a range that was not there before are undefined or zero. A no-op on a device. */
    int (*allocate)(struct io *io, enum io_file file, uint64_t offset, uint64_t length);
    /* Hands the space of the range back to what is below (hole punch, BLKDISCARD). Its contents are
     * undefined then. A hint: -ENOTSUP is fine. */
    int (*discard)(struct io *io, enum io_file file, uint64_t offset, uint64_t length);

    /* Memory that outlives the process, though not a power cut (a mapped file on tmpfs): where the
     * store keeps what it has answered and not yet written. Finds what a dead process left,
     * whatever its length: *ret_found is that length and the contents are as it left them. Else
     * *ret_found is 0 and there are `length` bytes, all zero. One region for each store; mapped
     * once, or again after stage_remove, which ends the first mapping. */
    int (*stage_map)(struct io *io, size_t length, void **ret_memory, size_t *ret_found);
    /* Removes it, after a clean stop or when it is of no use. The mapping stays valid until io is
     * closed or stage_map is called again. */
    void (*stage_remove)(struct io *io);

    /* Zero-filled memory aligned to 4096, or NULL. */
    void *(*memory_allocate)(struct io *io, size_t length);
    void (*memory_free)(struct io *io, void *memory, size_t length);

    uint64_t (*now)(struct io *io); /* nanoseconds, never goes back */
    void (*random)(struct io *io, void *buffer, size_t length);
};

struct io {
    const struct io_ops *ops;
};

#endif
