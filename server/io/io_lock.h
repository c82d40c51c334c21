/*
 * Opening and locking the files of a store; io_file.h says why the locks are where they are.
 *
 * extents: byte 0 is locked through SLOT_EXTENTS, byte 1 through SLOT_DIRECT, or through
 *          SLOT_EXTENTS when there is no SLOT_DIRECT; O_EXCL on a device
 * journal: the same with SLOT_JOURNAL and SLOT_JOURNAL_DIRECT
 * lock:    flock(2)
 *
 * A writer locks exclusively, a reader shared.
 */
#ifndef IO_IO_LOCK_H
#define IO_IO_LOCK_H

#include "io/files.h"

/* Fills files->slot, lock, device and device_size; files->dir, path and read_only are set. Waits as
 * io_open promises. On failure what was opened is still to be closed with io_lock_close. */
int io_lock_open(struct io_files *files);

/* Unlocks and closes; no I/O is under way. */
void io_lock_close(struct io_files *files);

#endif
