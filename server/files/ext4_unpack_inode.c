/* Inodes of files and folders that an archive brings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <varve/error.h>

#include "files/ext4_delete.h"
#include "files/ext4_inode.h"
#include "files/ext4_io.h"
#include "files/ext4_path.h"
#include "files/ext4_unpack_internal.h"

enum {
    FAST_LINK = sizeof((struct ext2_inode *)NULL)->i_block, /* a shorter target lies there */
    MAJOR_MAX = 0xfff,
    MINOR_MAX = 0xfffff, /* what ext4 holds of a device's number */
};

static size_t inode_size(const struct unpacking *unpacking)
{
    return EXT2_INODE_SIZE(unpacking->fs->super);
}

int unpack_inode_write(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode)
{
    return ext4_result(
        unpacking->fs,
        ext2fs_write_inode_full(unpacking->fs, number, &inode->small, (int)inode_size(unpacking)),
        "write the inode of '%.200s'", unpacking->path);
}

static int read_inode(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode)
{
    memset(inode, 0, sizeof *inode);
    return ext4_result(
        unpacking->fs,
        ext2fs_read_inode_full(unpacking->fs, number, &inode->small, (int)inode_size(unpacking)),
        "read inode %u", (unsigned)number);
}

static int new_inode(struct unpacking *unpacking, ext2_ino_t folder, mode_t mode,
                     ext2_ino_t *ret_number)
{
    return ext4_result(unpacking->fs,
                       ext2fs_new_inode(unpacking->fs, folder, (int)mode, NULL, ret_number),
                       "make '%.200s'", unpacking->path);
}

/* --- what an entry says ----------------------------------------------------------------------- */

static void put_times(struct unpacking *unpacking, const struct timespec *accessed,
                      const struct timespec *modified, struct ext2_inode_large *inode)
{
    uint32_t extra[4];
    const bool large = inode_size(unpacking) > EXT2_GOOD_OLD_INODE_SIZE;

    ext4_put_time(accessed, &inode->i_atime, &extra[0]);
    ext4_put_time(modified, &inode->i_mtime, &extra[1]);
    ext4_put_time(&unpacking->now, &inode->i_ctime, &extra[2]);
    if (!large)
        return;
    inode->i_extra_isize = sizeof *inode - EXT2_GOOD_OLD_INODE_SIZE;
    inode->i_atime_extra = extra[0];
    inode->i_mtime_extra = extra[1];
    inode->i_ctime_extra = extra[2];
    ext4_put_time(&unpacking->now, &inode->i_crtime, &inode->i_crtime_extra);
}

static struct timespec time_of(la_int64_t seconds, long nanoseconds)
{
    const bool sane = nanoseconds >= 0 && nanoseconds < 1000000000;

    return (struct timespec){.tv_sec = seconds, .tv_nsec = sane ? nanoseconds : 0};
}

/* Owner, permissions and times; the kind of file stays. */
static int put_entry(struct unpacking *unpacking, struct ext2_inode_large *inode)
{
    struct archive_entry *entry = unpacking->entry;
    const la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);
    struct timespec modified = unpacking->now, accessed;

    if (uid < 0 || gid < 0 || uid > UINT32_MAX || gid > UINT32_MAX)
        return varve_fail(EOVERFLOW, "'%.200s' has the owner %lld:%lld, which ext4 cannot keep",
                          unpacking->path, (long long)uid, (long long)gid);
    if (archive_entry_mtime_is_set(entry))
        modified = time_of(archive_entry_mtime(entry), archive_entry_mtime_nsec(entry));
    accessed = modified;
    if (archive_entry_atime_is_set(entry))
        accessed = time_of(archive_entry_atime(entry), archive_entry_atime_nsec(entry));
    inode->i_mode = (uint16_t)((inode->i_mode & S_IFMT) | (archive_entry_mode(entry) & 07777));
    ext4_put_owner((uid_t)uid, (gid_t)gid, inode);
    put_times(unpacking, &accessed, &modified, inode);
    return 0;
}

/* What tells this file from one that had the number before. */
static uint32_t generation(void)
{
    uint32_t number = 0;

    return getrandom(&number, sizeof number, 0) == (ssize_t)sizeof number ? number : 0;
}

/* Blocks of a new file are extents where there are any. */
static int begin_blocks(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode)
{
    ext2_extent_handle_t handle = NULL;
    errcode_t code;

    if (!ext2fs_has_feature_extents(unpacking->fs->super))
        return 0;
    code = ext2fs_extent_open2(unpacking->fs, number, &inode->small, &handle);
    ext2fs_extent_free(handle);
    return ext4_result(unpacking->fs, code, "make '%.200s'", unpacking->path);
}

/* --- folders ---------------------------------------------------------------------------------- */

/* Where libext2fs makes them: with a block, and one more link of the parent. */
static int make_slowly(struct unpacking *unpacking, ext2_ino_t parent, ext2_ino_t number,
                       union unpack_inode *inode)
{
    int r = ext4_result(unpacking->fs, ext2fs_mkdir(unpacking->fs, parent, number, NULL),
                        "make '%.200s'", unpacking->path);

    return r == 0 ? read_inode(unpacking, number, inode) : r;
}

static int make_quickly(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode)
{
    int r;

    inode->large.i_mode = S_IFDIR;
    inode->large.i_links_count = 2;
    inode->large.i_generation = generation();
    r = begin_blocks(unpacking, number, inode);
    if (r == 0)
        ext2fs_inode_alloc_stats2(unpacking->fs, number, +1, true);
    return r;
}

int unpack_make_folder(struct unpacking *unpacking, struct put_folder *parent, const char *name,
                       struct put_folder **ret_folder)
{
    union unpack_inode inode = {.bytes = {0}}, above = {.bytes = {0}};
    ext2_ino_t number = 0;
    int r = read_inode(unpacking, parent->inode, &above);

    if (r == 0)
        r = new_inode(unpacking, parent->inode, S_IFDIR, &number);
    if (r == 0)
        r = unpacking->writer != NULL ? make_quickly(unpacking, number, &inode)
                                      : make_slowly(unpacking, parent->inode, number, &inode);
    if (r < 0)
        return r;
    inode.large.i_mode = S_IFDIR | 0755;
    ext4_put_owner(inode_uid(above.small), inode_gid(above.small), &inode.large);
    put_times(unpacking, &unpacking->now, &unpacking->now, &inode.large);
    r = unpack_inode_write(unpacking, number, &inode);
    if (r == 0)
        r = put_folder_set(parent, name, number, EXT2_FT_DIR);
    unpacking->changed.names++;
    return r == 0 ? put_names_made(&unpacking->names, number, parent->inode, ret_folder) : r;
}

int unpack_dress_folder(struct unpacking *unpacking, ext2_ino_t number)
{
    union unpack_inode inode;
    int r = read_inode(unpacking, number, &inode);

    if (r == 0)
        r = put_entry(unpacking, &inode.large);
    if (r == 0)
        r = unpack_inode_write(unpacking, number, &inode);
    return r == 0 ? unpack_attributes(unpacking, number) : r;
}

/* --- other files ------------------------------------------------------------------------------ */

static int make_link(struct unpacking *unpacking, ext2_ino_t folder, ext2_ino_t number,
                     union unpack_inode *inode)
{
    const char *target = archive_entry_symlink(unpacking->entry);
    const size_t length = target != NULL ? strlen(target) : 0;
    int r = 0;

    if (length == 0)
        return varve_fail(EINVAL, "the archive has a symbolic link '%.200s' to nothing",
                          unpacking->path);
    if (length >= unpacking->fs->blocksize || length >= EXT4_PATH_MAX)
        return varve_fail(ENAMETOOLONG,
                          "the target of the symbolic link '%.200s' has %zu bytes, more than its "
                          "file system holds",
                          unpacking->path, length);
    if (length >= FAST_LINK && unpacking->writer != NULL)
        r = ext4_writer_finish(unpacking->writer); /* libext2fs takes a block */
    if (r == 0)
        r = ext4_result(unpacking->fs, ext2fs_symlink(unpacking->fs, folder, number, NULL, target),
                        "make the symbolic link '%.200s'", unpacking->path);
    if (r == 0)
        r = read_inode(unpacking, number, inode);
    if (r == 0)
        r = put_entry(unpacking, &inode->large);
    return r == 0 ? unpack_inode_write(unpacking, number, inode) : r;
}

static int check_device(struct unpacking *unpacking, dev_t device)
{
    if (major(device) <= MAJOR_MAX && minor(device) <= MINOR_MAX)
        return 0;
    return varve_fail(EOVERFLOW, "'%.200s' is the device %u:%u, which ext4 cannot keep",
                      unpacking->path, major(device), minor(device));
}

static int make_node(struct unpacking *unpacking, ext2_ino_t number, mode_t type,
                     union unpack_inode *inode)
{
    const dev_t device = archive_entry_rdev(unpacking->entry);
    const bool regular = type == S_IFREG, is_device = type == S_IFCHR || type == S_IFBLK;
    int r = is_device ? check_device(unpacking, device) : 0;

    inode->large.i_mode = (uint16_t)type;
    inode->large.i_links_count = 1;
    inode->large.i_generation = generation();
    if (r == 0)
        r = put_entry(unpacking, &inode->large);
    if (r == 0 && is_device)
        ext4_put_device(device, &inode->large);
    if (r == 0 && regular)
        r = begin_blocks(unpacking, number, inode);
    if (r == 0)
        r = unpack_inode_write(unpacking, number, inode);
    if (r < 0)
        return r;
    ext2fs_inode_alloc_stats2(unpacking->fs, number, +1, false);
    return regular ? unpack_content(unpacking, number, inode) : 0;
}

/* The name gets free for another file. */
static int clear(struct unpacking *unpacking, const struct unpack_spot *spot)
{
    const struct put_name *name = put_folder_find(spot->folder, spot->name);
    struct ext2_inode_large inode = {.i_mode = 0};
    int r = 0;

    if (name == NULL)
        return 0;
    if (name->inode < EXT2_FIRST_INODE(unpacking->fs->super) && name->inode != EXT2_ROOT_INO)
        return ext4_damaged(unpacking->fs, "'%.200s' is an inode of its own, %u", unpacking->path,
                            (unsigned)name->inode);
    r = ext4_inode_read(unpacking->fs, name->inode, &inode);
    if (r == 0 && S_ISDIR(inode.i_mode))
        r = varve_fail(EISDIR,
                       "'%.200s' is a folder there, and a file would replace it; delete it first",
                       unpacking->path);
    return r == 0 ? ext4_inode_forget(unpacking->fs, name->inode) : r;
}

int unpack_make_file(struct unpacking *unpacking, const struct unpack_spot *spot)
{
    const mode_t type = archive_entry_filetype(unpacking->entry);
    union unpack_inode inode = {.bytes = {0}};
    ext2_ino_t number = 0;
    int r = clear(unpacking, spot);

    if (r == 0)
        r = new_inode(unpacking, spot->folder->inode, type, &number);
    if (r == 0)
        r = type == S_IFLNK ? make_link(unpacking, spot->folder->inode, number, &inode)
                            : make_node(unpacking, number, type, &inode);
    if (r == 0)
        r = unpack_attributes(unpacking, number);
    if (r == 0)
        r = put_folder_set(spot->folder, spot->name, number, ext4_type_of(type));
    unpacking->changed.names++;
    return r;
}

int unpack_link(struct unpacking *unpacking, const struct unpack_spot *spot, ext2_ino_t number)
{
    const struct put_name *name = put_folder_find(spot->folder, spot->name);
    union unpack_inode inode;
    int r;

    if (name != NULL && name->inode == number)
        return 0;
    r = read_inode(unpacking, number, &inode);
    if (r == 0 && (S_ISDIR(inode.large.i_mode) || number < EXT2_FIRST_INODE(unpacking->fs->super)))
        r = varve_fail(EPERM, "'%.200s' would be a hard link to a folder", unpacking->path);
    if (r == 0 && inode.large.i_links_count >= EXT4_LINKS_OF_FILE_MAX)
        r = varve_fail(EMLINK, "'%.200s' would be a name too many; ext4 holds %d of a file",
                       unpacking->path, EXT4_LINKS_OF_FILE_MAX);
    if (r == 0)
        r = clear(unpacking, spot);
    if (r < 0)
        return r;
    inode.large.i_links_count++;
    r = unpack_inode_write(unpacking, number, &inode);
    if (r == 0)
        r = put_folder_set(spot->folder, spot->name, number, ext4_type_of(inode.large.i_mode));
    unpacking->changed.names++;
    return r;
}
