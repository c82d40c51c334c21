/* Fields of an ext4 inode that more than one file fills. */
#ifndef FILES_EXT4_INODE_H
#define FILES_EXT4_INODE_H

#include <ext2fs/ext2fs.h>
#include <sys/types.h>
#include <time.h>

enum { EXT4_LINKS_OF_FILE_MAX = 65000 }; /* names of a file; a directory with more has 1 */

/* EXT2_FT_... of a mode. */
uint8_t ext4_type_of(mode_t mode);

/* 34 bits of seconds, 30 of nanoseconds. Times that ext4 cannot hold become its first or last. */
void ext4_put_time(const struct timespec *time, uint32_t *ret_low, uint32_t *ret_extra);

/* The number of a device node, into i_block. */
void ext4_put_device(dev_t device, struct ext2_inode_large *inode);

void ext4_put_owner(uid_t uid, gid_t gid, struct ext2_inode_large *inode);

#endif
