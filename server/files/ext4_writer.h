/*
 * New blocks of an ext4 file system, taken in order and written together: what a file's content
 * costs is one copy, and the target sees pieces of a MiB.
 *
 * Only for one that fills a file system it has just made. Blocks that are taken are marked in the
 * bitmap at once, in runs; what is left of the last run is given back at the end.
 */
#ifndef FILES_EXT4_WRITER_H
#define FILES_EXT4_WRITER_H

#include "files/ext4_io.h"

enum { EXT4_BLOCK = 4096, EXT4_EXTENT_BLOCKS = 32768 };

struct ext4_writer;

int ext4_writer_new(ext2_filsys fs, struct ext4_writer **ret_writer);
void ext4_writer_free(struct ext4_writer *writer); /* takes NULL; gives nothing back */
/* Writes what is gathered, gives back what was not used. */
int ext4_writer_finish(struct ext4_writer *writer);

/* Takes up to `wanted` blocks that follow one another: *ret_blocks of them from *ret_first on, with
 * their memory, which has to be filled before the next call. */
int ext4_writer_take(struct ext4_writer *writer, uint64_t wanted, blk64_t *ret_first,
                     uint32_t *ret_blocks, unsigned char **ret_memory);

/* Where the content of one file lies, in its order. Reused from file to file. */
struct ext4_layout {
    struct ext4_run {
        uint64_t logical, physical;
        uint32_t length;
    } * runs;
    size_t count, room;
    uint64_t blocks; /* of content and of the extent tree */
};
/* Adds blocks behind those that are there, in their logical order. */
int ext4_layout_add(struct ext4_layout *layout, uint64_t logical, uint64_t physical,
                    uint32_t length);
void ext4_layout_clear(struct ext4_layout *layout);
void ext4_layout_free(struct ext4_layout *layout);
/* Puts the extents into the inode, and into blocks of their own where there are more than four. */
int ext4_layout_store(struct ext4_writer *writer, ext2_ino_t number, struct ext4_layout *layout,
                      struct ext2_inode_large *inode);

#endif
