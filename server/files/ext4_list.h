/*
 * What an ext4 file system holds, one entry after another. Folders come before what is in them, and
 * what is in a folder in the order of the names' bytes. Only the names of the folders on the way
 * are in memory at once.
 */
#ifndef FILES_EXT4_LIST_H
#define FILES_EXT4_LIST_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdint.h>

struct ext4_entry {
    const char *path; /* below what was asked for, without a slash in front; "" for itself */
    uint32_t inode, mode, uid, gid, links; /* mode: type and permissions, as stat has it */
    uint64_t size;
    int64_t mtime; /* seconds since 1970 */
    uint32_t mtime_nanoseconds;
    const char *target; /* of a symbolic link, else NULL */
};

typedef int (*ext4_list_visit)(void *opaque, const struct ext4_entry *entry);

/* Calls `visit` for what `path` names, if it is no folder; else for what is in the folder, with
 * `recursive` all the way down. Links are shown and not followed, but for one that is the path
 * itself. A nonzero return of `visit` stops and is returned; reports progress. */
int ext4_list(ext2_filsys fs, const char *path, bool recursive, ext4_list_visit visit,
              void *opaque);

#endif
