/*
 * The production side of the seam: a store directory's files through io_uring.
 *
 * The lock: `extents` and `journal` are opened and locked with flock(2) on the open file descriptions
 * through which all I/O goes. Such a lock lives until the last reference to the description is gone, and
 * an I/O in flight holds one: when a dead server's lock can be taken, its last late write has landed.
 * A block device is opened with O_EXCL as well. `lock` names the holder, for the message.
 */
#ifndef IO_IO_FILE_H
#define IO_IO_FILE_H

#include "io/io.h"

enum io_open_flags {
    IO_OPEN_READ_ONLY = 1,
    IO_OPEN_DIRECT = 2, /* honour IO_BULK with O_DIRECT */
};

/* Opens the files of a store. -EBUSY when another process holds them (after waiting up to 5 seconds for a
 * process that is already dead), with a message that names the process. */
int io_open(const char *dir, unsigned flags, struct io **ret_io);
void io_close(struct io *io); /* takes NULL; unlocks */

/* Makes the two files for a new store: `extents` (or a symlink to `device`) and `journal`,
 * filled with zeroes and synced together with the directory. */
int io_create(const char *dir, const char *device, uint64_t journal_size);

#endif
