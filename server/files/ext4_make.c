#include "files/ext4_make.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <varve/error.h>

enum {
    BLOCK = 4096,
    INODE = 256,
    RATIO = 16384,          /* bytes of file system for each inode */
    JOURNAL_FROM = 2048,    /* blocks; below it there is no journal */
    LOST_FOUND = 4 * BLOCK, /* bytes, as mke2fs */
    INODE_EXTRA = sizeof(struct ext2_inode_large) - EXT2_GOOD_OLD_INODE_SIZE,
    GROUP_INODES = 8 * BLOCK, /* at most: as many as a block has bits */
    FLEX_LOG = 4,             /* groups whose tables lie together, 2^ */
};

#define GROUP_BYTES ((uint64_t)8 * BLOCK * BLOCK)

static uint64_t inodes_for(const struct ext4_need *need, uint64_t size)
{
    uint64_t wanted = need->inodes + need->inodes / 4 + 64, usual = size / RATIO;

    return wanted > usual ? wanted : usual;
}

/* What the file system takes itself; rather too much than too little. */
static uint64_t overhead(const struct ext4_need *need, uint64_t size)
{
    uint64_t blocks = size / BLOCK, groups = blocks / ((uint64_t)8 * BLOCK) + 1;
    int journal = ext2fs_default_journal_size(blocks);
    /* bitmaps; copies of the superblock and all descriptors in groups 0, 1 and powers of 3, 5, 7:
     * fewer than 50, and not more than there are; what the resize inode holds back for growing */
    uint64_t copies = groups < 50 ? groups : 50;
    uint64_t table = groups * 64 / BLOCK + 1;

    return BLOCK *
               (2 * groups + copies * (1 + table + 1024) + (journal > 0 ? (uint64_t)journal : 0)) +
           inodes_for(need, size) * INODE + groups * BLOCK + LOST_FOUND + (uint64_t)64 * BLOCK;
}

int ext4_size_for(const struct ext4_need *need, uint64_t *ret_size)
{
    const uint64_t unit = (uint64_t)1 << 20, most = (uint64_t)1 << 54;
    uint64_t wanted, size;

    if (need->bytes > most / 2 || need->inodes > UINT32_MAX - UINT32_MAX / 4)
        return varve_fail(EFBIG,
                          "%" PRIu64 " files with %" PRIu64
                          " bytes are more than an ext4 file system holds",
                          need->inodes, need->bytes);
    wanted = need->bytes + need->bytes / 4;
    /* many small files take more groups than bytes */
    size = (inodes_for(need, 0) + GROUP_INODES - 1) / GROUP_INODES * GROUP_BYTES;
    size = size <= GROUP_BYTES ? EXT4_SIZE_MIN : size;
    while (size < wanted + overhead(need, size))
        size = (wanted + overhead(need, size) + unit - 1) / unit * unit;
    *ret_size = size;
    return 0;
}

static int fill_random(void *bytes, size_t length)
{
    if (getrandom(bytes, length, 0) == (ssize_t)length)
        return 0;
    return varve_fail(EIO, "the system gave no random bytes: %s", strerror(errno));
}

static void set_features(struct ext2_super_block *super)
{
    ext2fs_set_feature_sparse_super(super);
    ext2fs_set_feature_large_file(super);
    ext2fs_set_feature_huge_file(super);
    ext2fs_set_feature_dir_nlink(super);
    ext2fs_set_feature_extra_isize(super);
    ext2fs_set_feature_metadata_csum(super);
    ext2fs_set_feature_filetype(super);
    ext2fs_set_feature_extents(super);
    ext2fs_set_feature_64bit(super);
    ext2fs_set_feature_flex_bg(super);
    ext2fs_set_feature_xattr(super);
    ext2fs_set_feature_dir_index(super);
    ext2fs_set_feature_resize_inode(super);
}

static int set_identity(ext2_filsys fs, const char *label)
{
    struct ext2_super_block *super = fs->super;
    size_t length = strnlen(label, sizeof super->s_volume_name);
    int r = fill_random(super->s_uuid, sizeof super->s_uuid);

    if (r == 0)
        r = fill_random(super->s_hash_seed, sizeof super->s_hash_seed);
    if (r != 0)
        return r;
    /* version 4, variant 1 */
    super->s_uuid[6] = (uint8_t)((super->s_uuid[6] & 0x0f) | 0x40);
    super->s_uuid[8] = (uint8_t)((super->s_uuid[8] & 0x3f) | 0x80);
    memcpy(super->s_volume_name, label, length);
    super->s_def_hash_version = EXT2_HASH_HALF_MD4;
    super->s_flags |= EXT2_FLAGS_UNSIGNED_HASH;
    super->s_checksum_type = EXT2_CRC32C_CHKSUM;
    super->s_max_mnt_count = (int16_t)-1;
    super->s_errors = EXT2_ERRORS_DEFAULT;
    super->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
    super->s_min_extra_isize = INODE_EXTRA;
    super->s_want_extra_isize = INODE_EXTRA;
    ext2fs_init_csum_seed(fs);
    return 0;
}

/* The tables read as zeroes, since the target was made so. */
static void tables_are_zero(ext2_filsys fs)
{
    for (dgrp_t group = 0; group < fs->group_desc_count; group++) {
        ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_UNINIT | EXT2_BG_INODE_ZEROED);
        ext2fs_bg_itable_unused_set(fs, group, fs->super->s_inodes_per_group);
        ext2fs_bg_free_inodes_count_set(fs, group, fs->super->s_inodes_per_group);
        ext2fs_group_desc_csum_set(fs, group);
    }
}

/* Inodes 1 to 10 are the file system's own. */
static void take_reserved_inodes(ext2_filsys fs)
{
    for (ext2_ino_t inode = EXT2_ROOT_INO + 1; inode < EXT2_FIRST_INODE(fs->super); inode++)
        ext2fs_inode_alloc_stats2(fs, inode, +1, 0);
    ext2fs_inode_alloc_stats2(fs, EXT2_BAD_INO, +1, 0);
    ext2fs_mark_ib_dirty(fs);
}

static int make_lost_found(ext2_filsys fs)
{
    ext2_ino_t inode = 0;
    int r;

    fs->umask = 077;
    r = ext4_result(fs, ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "lost+found"), "make lost+found");
    if (r == 0)
        r = ext4_result(fs, ext2fs_lookup(fs, EXT2_ROOT_INO, "lost+found", 10, NULL, &inode),
                        "find lost+found");
    for (int size = BLOCK; r == 0 && size < LOST_FOUND; size += BLOCK)
        r = ext4_result(fs, ext2fs_expand_dir(fs, inode), "make lost+found larger");
    fs->umask = 022;
    return r;
}

static int make_journal(ext2_filsys fs)
{
    struct ext2fs_journal_params journal = {0};

    if (ext2fs_blocks_count(fs->super) < JOURNAL_FROM)
        return 0;
    if (ext2fs_get_journal_params(&journal, fs) != 0)
        return 0;
    return ext4_result(
        fs,
        ext2fs_add_journal_inode3(fs, &journal, ~(blk64_t)0,
                                  EXT2_MKJOURNAL_LAZYINIT | EXT2_MKJOURNAL_NO_MNT_CHECK),
        "make its journal");
}

static int fill(ext2_filsys fs, const char *label)
{
    int r = set_identity(fs, label);

    if (r != 0)
        return r;
    tables_are_zero(fs);
    r = ext4_result(fs, ext2fs_allocate_tables(fs), "place its tables");
    if (r == 0)
        r = ext4_result(fs, ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL),
                        "make its root directory");
    if (r == 0)
        r = make_lost_found(fs);
    if (r != 0)
        return r;
    take_reserved_inodes(fs);
    r = ext4_result(fs, ext2fs_create_resize_inode(fs), "make its resize inode");
    return r == 0 ? make_journal(fs) : r;
}

static int check_room(ext2_filsys fs, const struct ext4_need *need, const char *what)
{
    uint64_t wanted = 0;
    int r;

    if (ext2fs_free_blocks_count(fs->super) >= need->bytes / BLOCK &&
        fs->super->s_free_inodes_count >= need->inodes)
        return 0;
    r = ext4_size_for(need, &wanted);
    return r != 0 ? r
                  : varve_fail(ENOSPC,
                               "%s is too small for %" PRIu64 " files with %" PRIu64
                               " bytes; a size of %" PRIu64 " bytes holds them",
                               what, need->inodes, need->bytes, wanted);
}

int ext4_make(const struct files_target *target, const char *label, const struct ext4_need *need,
              const char *what, ext2_filsys *ret_fs)
{
    struct ext2_super_block param = {.s_rev_level = EXT2_DYNAMIC_REV,
                                     .s_inode_size = INODE,
                                     .s_log_block_size = 2,
                                     .s_log_cluster_size = 2,
                                     .s_log_groups_per_flex = FLEX_LOG};
    uint64_t inodes = inodes_for(need, target->size);
    ext2_filsys fs = NULL;
    int r;

    if (target->size < EXT4_SIZE_MIN)
        return varve_fail(
            EINVAL, "%s has %" PRIu64 " bytes; a file system with files takes %" PRIu64 " or more",
            what, target->size, EXT4_SIZE_MIN);
    if (inodes > UINT32_MAX)
        inodes = UINT32_MAX;
    if (need->inodes > inodes)
        return varve_fail(EFBIG, "%" PRIu64 " files are more than an ext4 file system holds",
                          need->inodes);
    param.s_inodes_count = (uint32_t)inodes;
    set_features(&param);
    ext2fs_blocks_count_set(&param, target->size / BLOCK);
    r = target->zero(target->opaque, target->size, 0);
    if (r != 0)
        return r;
    r = ext4_manager_leave(ext2fs_initialize(what, EXT2_FLAG_EXCLUSIVE | EXT2_FLAG_64BITS, &param,
                                             ext4_manager_enter(target), &fs),
                           what);
    if (r != 0)
        return r;
    r = fill(fs, label);
    if (r == 0)
        r = check_room(fs, need, what);
    if (r != 0) {
        ext4_abandon(fs);
        return r;
    }
    *ret_fs = fs;
    return 0;
}
