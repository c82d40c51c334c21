/*
 * Where the content of a file lies: its runs of blocks that hold data, in the file's order. What
 * was only reserved (unwritten extents) is a hole, as it reads as zeroes.
 */
#ifndef FILES_EXT4_RUNS_H
#define FILES_EXT4_RUNS_H

#include <ext2fs/ext2fs.h>
#include <stddef.h>
#include <stdint.h>

struct ext4_run {
    uint64_t offset; /* bytes in the file */
    uint64_t length; /* bytes, none past the file's size */
    uint64_t place;  /* bytes in the target, all of it inside the file system */
};

struct ext4_runs {
    struct ext4_run *list;
    size_t count, room;
};

/* Of a regular file whose content is not in its inode (EXT4_INLINE_DATA_FL). Extents that overlap,
 * go back or lead out of the file system are damage (-EIO), so the work is bounded. */
int ext4_runs_read(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode,
                   struct ext4_runs *ret_runs);
void ext4_runs_release(struct ext4_runs *runs);

#endif
