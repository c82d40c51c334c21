/*
 * The blocks of a directory that is made in one go: its entries are known before the first is
 * written. More than a block of them get an index (htree): sorted by the hash of their names, in
 * one pass, where adding them one by one would look at all blocks for each.
 */
#ifndef FILES_EXT4_DIRECTORY_H
#define FILES_EXT4_DIRECTORY_H

#include "files/ext4_writer.h"

/* An entry that is to be written. (What a directory that is there holds is struct ext4_name.) */
struct ext4_entry {
    const char *name;
    uint32_t inode;
    ext2_dirhash_t hash, minor; /* set by ext4_directory_write */
    uint8_t length;
    uint8_t type; /* EXT2_FT_... */
};

/* Writes the directory `number` below `parent` and says where it lies; *ret_indexed: whether the
 * inode needs EXT2_INDEX_FL. Sorts `names`, which do not hold "." and "..". */
int ext4_directory_write(struct ext4_writer *writer, ext2_filsys fs, ext2_ino_t number,
                         ext2_ino_t parent, struct ext4_entry *names, size_t count,
                         struct ext4_layout *layout, bool *ret_indexed);

#endif
