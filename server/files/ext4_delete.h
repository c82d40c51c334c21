/*
 * Deleting from an ext4 file system that was opened with EXT4_WRITE. Nothing is undone after a
 * failure: work on a clone, and throw it away (ext4_abandon).
 */
#ifndef FILES_EXT4_DELETE_H
#define FILES_EXT4_DELETE_H

#include <ext2fs/ext2fs.h>

#include "files/tree.h"

/* The file, or the folder with all that is in it. A link is deleted and not what it leads to. The
 * blocks that become free are given back to the target. -EINVAL for the root, -ENOENT; reports
 * progress. */
int ext4_delete(ext2_filsys fs, const char *path, struct files_changed *ret_changed);

/* One name less for what is no folder; without a name its blocks and inode are free. */
int ext4_inode_forget(ext2_filsys fs, ext2_ino_t number);

/* Gives back to the target what is used in the bitmap `before` and free now. */
int ext4_give_back(ext2_filsys fs, ext2fs_block_bitmap before);

#endif
