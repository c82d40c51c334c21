/*
 * Files of an ext4 file system as a tar archive (pax), for varve_file_get: see varve/file_tree.h
 * for what is in it.
 */
#ifndef FILES_EXT4_ARCHIVE_H
#define FILES_EXT4_ARCHIVE_H

#include <ext2fs/ext2fs.h>
#include <varve/file_tree.h>

/* -EOPNOTSUPP for encrypted files; reports progress. */
int ext4_archive(ext2_filsys fs, const char *path, varve_file_sink sink, void *opaque);

#endif
