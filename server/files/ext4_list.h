/*
 * What an ext4 file system holds, one entry after another. Folders come before what is in them, and
 * what is in a folder in the order of the names' bytes. Only the names of the folders on the way
 * are in memory at once.
 */
#ifndef FILES_EXT4_LIST_H
#define FILES_EXT4_LIST_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <varve/file_tree.h>

/* Calls `visit` for what `path` names, if it is no folder; else for what is in the folder, with
 * `recursive` all the way down. Links are shown and not followed, but for one that is the path
 * itself. A nonzero return of `visit` stops and is returned; reports progress. */
int ext4_list(ext2_filsys fs, const char *path, bool recursive, varve_file_visit visit,
              void *opaque);

/* One of them. *ret_file points to `path` and to *ret_target, which is new memory, or NULL for what
 * is no link. */
int ext4_file_describe(ext2_filsys fs, const char *path, ext2_ino_t number,
                       struct ext2_inode_large *inode, struct varve_file *ret_file,
                       char **ret_target);

#endif
