/*
 * SQLite's files in memory, on the power of a simulated disk: each write, truncation, sync and
 * delete is an event of that disk (SIM_BESIDE), so that cuts and faults fall between and inside
 * both.
 *
 * What was written and not synced is in doubt at a cut: any of the writes, in any selection, torn
 * at 512 bytes. While the disk is dead every call fails; sim_vfs_reboot decides what is there.
 *
 * SQLite opens files by path; only the last part of it counts here.
 *
 * Threads: one. One such VFS in a process.
 */
#ifndef SIM_SIM_VFS_H
#define SIM_SIM_VFS_H

#include <stdbool.h>
#include <stddef.h>

#include "chance.h"
#include "sim_disk.h"

/* Makes it SQLite's default; `disk` may be changed later. */
void sim_vfs_register(struct sim_disk *disk);
void sim_vfs_use(struct sim_disk *disk);

/* Forgets all files. */
void sim_vfs_clear(void);
/* A file with those bytes, durable. */
void sim_vfs_put(const char *name, const void *bytes, size_t length);

/* What a program that reads the file would get, in place until the next call; false when there is
 * none. Fails with the disk that is dead. */
bool sim_vfs_get(const char *name, const unsigned char **ret_bytes, size_t *ret_length);

/* After the disk died, when nobody has a file open: what is in doubt is there or not. */
void sim_vfs_reboot(enum sim_outcome outcome, struct chance *chance);

/* The nth call from now that can fail gets this code of SQLite's (SQLITE_IOERR_WRITE stands for the
 * kind of the call, SQLITE_FULL hits writes, SQLITE_BUSY locks), once or for good. 0 takes it back.
 */
void sim_vfs_fail(int code, unsigned nth, bool forever);
unsigned sim_vfs_struck(void);

#endif
