/*
 * Puts what a tar archive holds into an ext4 file system that was opened with EXT4_WRITE: see
 * varve_file_put in varve/file_tree.h for where it goes and what is kept. Nothing is undone after a
 * failure: work on a clone, and throw it away (ext4_abandon).
 *
 * Names are kept in memory until the end (put_names.h), content is written as it comes. On a file
 * system of blocks of 4096 bytes with extents and checksums, as mke2fs makes them, content and new
 * folders go through ext4_writer.h; on others libext2fs places block after block.
 */
#ifndef FILES_EXT4_UNPACK_H
#define FILES_EXT4_UNPACK_H

#include <ext2fs/ext2fs.h>

#include "files/tree.h"

int ext4_unpack(ext2_filsys fs, const char *path, varve_file_source source, void *opaque,
                struct files_changed *ret_changed);

#endif
