#include "files/ext4_inode.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

uint8_t ext4_type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return EXT2_FT_REG_FILE;
    case S_IFDIR:
        return EXT2_FT_DIR;
    case S_IFCHR:
        return EXT2_FT_CHRDEV;
    case S_IFBLK:
        return EXT2_FT_BLKDEV;
    case S_IFIFO:
        return EXT2_FT_FIFO;
    case S_IFSOCK:
        return EXT2_FT_SOCK;
    case S_IFLNK:
        return EXT2_FT_SYMLINK;
    default:
        return EXT2_FT_UNKNOWN;
    }
}

void ext4_put_time(const struct timespec *time, uint32_t *ret_low, uint32_t *ret_extra)
{
    const int64_t least = INT32_MIN, most = ((int64_t)3 << 32) + INT32_MAX;
    int64_t seconds = time->tv_sec < least ? least : time->tv_sec > most ? most : time->tv_sec;
    uint64_t epoch = ((uint64_t)(seconds - (int32_t)seconds) >> 32) & 3;

    *ret_low = (uint32_t)seconds;
    *ret_extra = (uint32_t)time->tv_nsec << 2 | (uint32_t)epoch;
}

void ext4_put_device(dev_t device, struct ext2_inode_large *inode)
{
    unsigned high = major(device), low = minor(device);

    if (high < 256 && low < 256)
        inode->i_block[0] = high << 8 | low;
    else
        inode->i_block[1] = (low & 0xff) | high << 8 | (low & ~0xffu) << 12;
}

void ext4_put_owner(uid_t uid, gid_t gid, struct ext2_inode_large *inode)
{
    inode->i_uid = (uint16_t)uid;
    inode->osd2.linux2.l_i_uid_high = (uint16_t)(uid >> 16);
    inode->i_gid = (uint16_t)gid;
    inode->osd2.linux2.l_i_gid_high = (uint16_t)(gid >> 16);
}
