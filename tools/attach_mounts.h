/* Who uses a block device of this machine: mounts, swap, device mapper. */
#ifndef TOOLS_ATTACH_MOUNTS_H
#define TOOLS_ATTACH_MOUNTS_H

#include <stdbool.h>

/* Unmounts everything that is mounted from the device or its partitions, the last one first.
 * Refuses with EXIT_BUSY, before anything is undone, when it or a partition is swap or part of
 * another device. Returns EXIT_DONE, or prints one sentence and returns another exit code. */
int attach_unmount_all(const char *device);

/* Whether something is mounted at exactly this path. */
bool attach_is_mountpoint(const char *path);

#endif
