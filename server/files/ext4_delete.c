#include "files/ext4_delete.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_io.h"
#include "files/ext4_path.h"

enum { DEPTH_MAX = EXT4_PATH_MAX / 2 };

static struct ext2_inode *small_of(struct ext2_inode_large *inode)
{
    return (struct ext2_inode *)(void *)inode;
}

static errcode_t write_inode(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode)
{
    return ext2fs_write_inode_full(fs, number, small_of(inode), sizeof *inode);
}

static int keep_first(char *name, char *value, size_t length, void *opaque)
{
    (void)value;
    (void)length;
    snprintf(opaque, EXT2_NAME_LEN + 1, "%s", name);
    return XATTR_ABORT;
}

/* Removes all extended attributes one by one, which frees those that have inodes of their own. */
static errcode_t drop_attributes(ext2_filsys fs, ext2_ino_t number)
{
    struct ext2_xattr_handle *handle = NULL;
    errcode_t code = ext2fs_xattrs_open(fs, number, &handle);
    size_t count = 0;

    if (code != 0)
        return code;
    code = ext2fs_xattrs_read(handle);
    if (code == 0)
        code = ext2fs_xattrs_count(handle, &count);
    for (; code == 0 && count > 0; count--) {
        char name[EXT2_NAME_LEN + 1] = "";

        code = ext2fs_xattrs_iterate(handle, keep_first, name);
        if (code == 0)
            code = ext2fs_xattr_remove(handle, name);
    }
    ext2fs_xattrs_close(&handle);
    return code;
}

/* Blocks, attributes and the inode itself. */
static int free_inode(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode)
{
    const bool folder = S_ISDIR(inode->i_mode);
    errcode_t code = 0;

    if (ext2fs_file_acl_block(fs, small_of(inode)) != 0)
        code = ext2fs_free_ext_attr(fs, number, inode);
    if (code == 0 && (inode->i_flags & EXT4_INLINE_DATA_FL) == 0 &&
        ext2fs_inode_has_valid_blocks2(fs, small_of(inode)))
        code = ext2fs_punch(fs, number, small_of(inode), NULL, 0, ~(blk64_t)0);
    if (code == 0) {
        inode->i_links_count = 0;
        inode->i_dtime = (uint32_t)time(NULL);
        code = write_inode(fs, number, inode);
    }
    if (code == 0)
        ext2fs_inode_alloc_stats2(fs, number, -1, folder);
    return ext4_result(fs, code, "free inode %u", (unsigned)number);
}

int ext4_inode_forget(ext2_filsys fs, ext2_ino_t number)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    int r = ext4_inode_read(fs, number, &inode);

    if (r < 0)
        return r;
    if (inode.i_links_count == 0)
        return ext4_damaged(fs, "inode %u has a name, and says it has none", (unsigned)number);
    if (inode.i_links_count > 1) {
        inode.i_links_count--;
        return ext4_result(fs, write_inode(fs, number, &inode), "write inode %u", (unsigned)number);
    }
    if (fs->super->s_feature_incompat & EXT4_FEATURE_INCOMPAT_EA_INODE) {
        r = ext4_result(fs, drop_attributes(fs, number), "free the attributes of inode %u",
                        (unsigned)number);
        if (r == 0)
            r = ext4_inode_read(fs, number, &inode);
        if (r < 0)
            return r;
    }
    return free_inode(fs, number, &inode);
}

/* A name goes; a file's bytes go with its last one. */
static int forget(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode,
                  struct files_changed *changed)
{
    if (S_ISREG(inode->i_mode) && inode->i_links_count <= 1)
        changed->bytes += EXT2_I_SIZE(small_of(inode));
    return ext4_inode_forget(fs, number);
}

/* A folder, with all below it. The names in it need not go one by one, since their blocks go. */
static int free_folder(ext2_filsys fs, ext2_ino_t folder, unsigned depth,
                       struct files_changed *changed)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    struct ext4_names names;
    int r = ext4_names_read(fs, folder, &names);

    if (r < 0)
        return r;
    if (depth > DEPTH_MAX)
        r = ext4_damaged(fs, "folders lie in one another more than %d deep", DEPTH_MAX);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        r = varve_progress("delete", "files", ++changed->names, 0);
        if (r == 0)
            r = ext4_inode_read(fs, names.list[i].inode, &inode);
        if (r == 0 && S_ISDIR(inode.i_mode))
            r = free_folder(fs, names.list[i].inode, depth + 1, changed);
        else if (r == 0)
            r = forget(fs, names.list[i].inode, &inode, changed);
    }
    ext4_names_release(&names);
    if (r == 0)
        r = ext4_inode_read(fs, folder, &inode);
    return r < 0 ? r : free_inode(fs, folder, &inode);
}

/* What a folder's own entry loses when one in it goes. */
static int touch_parent(ext2_filsys fs, ext2_ino_t folder, bool fewer_links)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    int r = ext4_inode_read(fs, folder, &inode);

    if (r < 0)
        return r;
    if (fewer_links && inode.i_links_count > 2) /* 1: more than can be counted */
        inode.i_links_count--;
    inode.i_mtime = inode.i_ctime = (uint32_t)time(NULL);
    return ext4_result(fs, write_inode(fs, folder, &inode), "write inode %u", (unsigned)folder);
}

int ext4_give_back(ext2_filsys fs, ext2fs_block_bitmap before)
{
    const blk64_t end = ext2fs_blocks_count(fs->super) - 1;
    blk64_t at = fs->super->s_first_data_block, stop, from, to;
    errcode_t code = 0;

    if (EXT2FS_CLUSTER_RATIO(fs) != 1)
        return 0;
    while (code == 0 && at <= end &&
           ext2fs_find_first_set_block_bitmap2(before, at, end, &at) == 0) {
        if (ext2fs_find_first_zero_block_bitmap2(before, at, end, &stop) != 0)
            stop = end + 1;
        for (from = at; code == 0 && from < stop; from = to) {
            if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, from, stop - 1, &from) != 0)
                break;
            if (ext2fs_find_first_set_block_bitmap2(fs->block_map, from, stop - 1, &to) != 0)
                to = stop;
            code = io_channel_discard(fs->io, from, to - from);
        }
        at = stop;
    }
    return ext4_result(fs, code == EXT2_ET_UNIMPLEMENTED ? 0 : code, "give back free blocks");
}

static int delete_place(ext2_filsys fs, const struct ext4_place *place,
                        struct files_changed *changed)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    int r = ext4_inode_read(fs, place->inode, &inode);

    if (r == 0)
        r = ext4_result(fs, ext2fs_unlink(fs, place->folder, place->name, place->inode, 0),
                        "delete '%s'", place->name);
    if (r < 0)
        return r;
    changed->names++;
    if (S_ISDIR(inode.i_mode))
        r = free_folder(fs, place->inode, 0, changed);
    else
        r = forget(fs, place->inode, &inode, changed);
    return r < 0 ? r : touch_parent(fs, place->folder, S_ISDIR(inode.i_mode));
}

int ext4_delete(ext2_filsys fs, const char *path, struct files_changed *ret_changed)
{
    ext2fs_block_bitmap before = NULL;
    struct ext4_place place;
    struct files_changed changed = {.names = 0};
    int r = ext4_path_find(fs, path, 0, &place);

    if (r == 0 && place.inode == EXT2_ROOT_INO)
        r = varve_fail(EINVAL,
                       "%s: '%s' is the whole file system; delete what is in it, or the "
                       "version",
                       ext4_what(fs), path);
    if (r == 0)
        r = ext4_result(fs, ext2fs_copy_bitmap(fs->block_map, &before), "copy its bitmap");
    if (r < 0)
        return r;
    r = delete_place(fs, &place, &changed);
    if (r == 0)
        r = ext4_give_back(fs, before);
    ext2fs_free_block_bitmap(before);
    files_changed_path(&changed, path, "");
    if (r == 0)
        *ret_changed = changed;
    return r;
}
