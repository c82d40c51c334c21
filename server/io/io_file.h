/*
 * The production side of the seam: a store directory's files through io_uring.
 *
 * The lock: what matters is that nothing of a dead server can land in the store after another one
 * took it. So the lock sits on the open file descriptions through which the I/O goes (OFD locks):
 * such a lock lives until the last reference to its description is gone, and an I/O in flight holds
 * one. Each file has two descriptions, one of them O_DIRECT, and locks of two descriptions of one
 * file would exclude each other; each locks a byte of its own instead, and who opens needs both
 * bytes. A block device is opened with O_EXCL as well. `lock` is locked with flock(2) and names the
 * holder, for people and for the message; nothing hangs on it.
 *
 * Threads and fork: all of struct io_ops from any thread. A process may fork after io_open, while
 * no call is running; then either the parent or the child goes on, and calls io_after_fork. The
 * rings are made on first use.
 */
#ifndef IO_IO_FILE_H
#define IO_IO_FILE_H

#include "io/io.h"

enum io_open_flags {
    IO_OPEN_READ_ONLY = 1, /* several may read at once; stage_map gives a private copy */
    IO_OPEN_DIRECT = 2,    /* honour IO_BULK with O_DIRECT, and write the journal so */
};

/* Opens the files of a store. -EBUSY when another process holds them (after waiting up to 5 seconds
 * for a process that is already dead), with a message that names the process. -ENOENT when there is
 * no store. */
int io_open(const char *dir, unsigned flags, struct io **ret_io);
void io_close(struct io *io); /* takes NULL; unlocks */

/* Names the present process as the holder and forgets the parent's rings. */
void io_after_fork(struct io *io);

/* One line that says how I/O is done: "io_uring", "io_uring (not used yet)", or synchronous calls
 * and why. */
const char *io_engine(struct io *io);

/* Makes the two files for a new store: `extents` (or a symlink to `device`) and `journal`,
 * filled with zeroes and synced together with the directory, which is made if it is not there.
 * -EEXIST when one of the files is there. Nothing is left behind on failure. */
int io_create(const char *dir, const char *device, uint64_t journal_size);

/* Undoes io_create, for an init that failed later: removes the files that io_create and io_open
 * make, not the directory. */
void io_remove(const char *dir);

#endif
