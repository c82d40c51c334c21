/* Folders of a put, written at the end: new ones in one go, others name by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_directory.h"
#include "files/ext4_inode.h"
#include "files/ext4_io.h"
#include "files/ext4_unpack_internal.h"

enum { REWRITE_FROM = 64 }; /* names added: then all of the folder is written again */

static int read_inode(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode)
{
    memset(inode, 0, sizeof *inode);
    return ext4_result(unpacking->fs,
                       ext2fs_read_inode_full(unpacking->fs, number, &inode->small,
                                              (int)EXT2_INODE_SIZE(unpacking->fs->super)),
                       "read folder %u", (unsigned)number);
}

static int put_links(struct unpacking *unpacking, size_t folders, struct ext2_inode_large *inode)
{
    const size_t links = inode->i_links_count + folders;

    if (inode->i_links_count == 1 || folders == 0) /* 1: more than can be counted */
        return 0;
    if (links > EXT4_LINKS_OF_FILE_MAX && !ext2fs_has_feature_dir_nlink(unpacking->fs->super))
        return varve_fail(EMLINK,
                          "a folder would hold %zu folders; its file system holds %d of "
                          "them",
                          links - 2, EXT4_LINKS_OF_FILE_MAX - 2);
    inode->i_links_count = links > EXT4_LINKS_OF_FILE_MAX ? 1 : (uint16_t)links;
    return 0;
}

/* One that stood there was changed now; one that is new says so itself. */
static void put_changed(const struct unpacking *unpacking, const struct put_folder *folder,
                        struct ext2_inode_large *inode)
{
    uint32_t extra;

    if (folder->made)
        return;
    ext4_put_time(&unpacking->now, &inode->i_mtime, &extra);
    ext4_put_time(&unpacking->now, &inode->i_ctime, &extra);
    if (EXT2_INODE_SIZE(unpacking->fs->super) <= EXT2_GOOD_OLD_INODE_SIZE ||
        inode->i_extra_isize < sizeof *inode - EXT2_GOOD_OLD_INODE_SIZE)
        return;
    inode->i_mtime_extra = inode->i_ctime_extra = extra;
}

/* --- all of it at once ------------------------------------------------------------------------ */

static int list_names(const struct put_folder *folder, struct ext4_entry **ret_list)
{
    struct ext4_entry *list = malloc((folder->count + 1) * sizeof *list);
    size_t count = 0;

    if (list == NULL)
        return varve_no_memory("a folder");
    for (const struct put_name *name = folder->names; name != NULL; name = name->next)
        list[count++] = (struct ext4_entry){
            .name = name->name, .inode = name->inode, .length = name->length, .type = name->type};
    *ret_list = list;
    return 0;
}

static int parent_of(struct unpacking *unpacking, const struct put_folder *folder,
                     ext2_ino_t *ret_parent)
{
    *ret_parent = folder->parent;
    if (folder->made)
        return 0;
    return ext4_result(unpacking->fs,
                       ext2fs_lookup(unpacking->fs, folder->inode, "..", 2, NULL, ret_parent),
                       "look for '..'");
}

static int write_blocks(struct unpacking *unpacking, struct put_folder *folder,
                        union unpack_inode *inode)
{
    const bool block_of_attributes = ext2fs_file_acl_block(unpacking->fs, &inode->small) != 0;
    struct ext4_entry *list = NULL;
    ext2_ino_t parent = 0;
    bool indexed = false;
    int r = parent_of(unpacking, folder, &parent);

    if (r == 0 && !folder->made)
        r = ext4_result(
            unpacking->fs,
            ext2fs_punch(unpacking->fs, folder->inode, &inode->small, NULL, 0, ~(blk64_t)0),
            "empty folder %u", (unsigned)folder->inode);
    if (r == 0)
        r = list_names(folder, &list);
    if (r < 0)
        return r;
    ext4_layout_clear(&unpacking->layout);
    r = ext4_directory_write(unpacking->writer, unpacking->fs, folder->inode, parent, list,
                             folder->count, &unpacking->layout, &indexed);
    free(list);
    if (r == 0)
        r = ext4_result(
            unpacking->fs,
            ext2fs_inode_size_set(unpacking->fs, &inode->small,
                                  (ext2_off64_t)(unpacking->layout.blocks * EXT4_BLOCK)),
            "write folder %u", (unsigned)folder->inode);
    if (r == 0)
        r = ext4_layout_store(unpacking->writer, folder->inode, &unpacking->layout, &inode->large);
    if (r == 0 && block_of_attributes)
        r = ext4_result(unpacking->fs, ext2fs_iblk_add_blocks(unpacking->fs, &inode->small, 1),
                        "write folder %u", (unsigned)folder->inode);
    inode->large.i_flags &= ~(uint32_t)EXT2_INDEX_FL;
    inode->large.i_flags |= indexed ? EXT2_INDEX_FL : 0;
    return r;
}

static int write_whole(struct unpacking *unpacking, struct put_folder *folder,
                       union unpack_inode *inode)
{
    int r = write_blocks(unpacking, folder, inode);

    if (r == 0)
        r = put_links(unpacking, folder->folders, &inode->large);
    put_changed(unpacking, folder, &inode->large);
    folder->written = true;
    return r == 0 ? unpack_inode_write(unpacking, folder->inode, inode) : r;
}

static int write_if_whole(struct unpacking *unpacking, struct put_folder *folder)
{
    union unpack_inode inode;
    uint32_t flags;
    int r;

    if (unpacking->writer == NULL || (!folder->made && folder->added < REWRITE_FROM))
        return 0;
    r = read_inode(unpacking, folder->inode, &inode);
    flags = inode.large.i_flags;
    if (r < 0 || (flags & EXT4_EXTENTS_FL) == 0 || (flags & EXT4_INLINE_DATA_FL) != 0)
        return r;
    return write_whole(unpacking, folder, &inode);
}

/* --- name by name ----------------------------------------------------------------------------- */

struct replacing {
    struct put_folder *folder;
    size_t left;
};

/* A name that stands there leads to another inode. */
static int replace(ext2_ino_t number, int entry, struct ext2_dir_entry *found, int offset, int size,
                   char *block, void *opaque)
{
    struct replacing *replacing = opaque;
    const int length = ext2fs_dirent_name_len(found);
    const struct put_name *name;
    char text[EXT2_NAME_LEN + 1];

    (void)number, (void)entry, (void)offset, (void)size, (void)block;
    memcpy(text, found->name, (size_t)length);
    text[length] = '\0';
    name = put_folder_find(replacing->folder, text);
    if (name == NULL || !name->changed || !name->stands)
        return 0;
    found->inode = name->inode;
    if (ext2fs_dirent_file_type(found) != 0)
        ext2fs_dirent_set_file_type(found, name->type);
    replacing->left--;
    return DIRENT_CHANGED | (replacing->left == 0 ? DIRENT_ABORT : 0);
}

static int replace_names(struct unpacking *unpacking, struct put_folder *folder)
{
    struct replacing replacing = {folder, folder->changed - folder->added};

    if (replacing.left == 0)
        return 0;
    return ext4_result(
        unpacking->fs,
        ext2fs_dir_iterate2(unpacking->fs, folder->inode, 0, NULL, replace, &replacing),
        "change folder %u", (unsigned)folder->inode);
}

static int add_name(struct unpacking *unpacking, ext2_ino_t folder, const struct put_name *name)
{
    const bool types = ext2fs_has_feature_filetype(unpacking->fs->super);
    const int flags = types ? name->type : 0;
    errcode_t code = ext2fs_link(unpacking->fs, folder, name->name, name->inode, flags);

    if (code == EXT2_ET_DIR_NO_SPACE) {
        code = ext2fs_expand_dir(unpacking->fs, folder);
        if (code == 0)
            code = ext2fs_link(unpacking->fs, folder, name->name, name->inode, flags);
    }
    return ext4_result(unpacking->fs, code, "add the name '%.100s'", name->name);
}

static int change(struct unpacking *unpacking, struct put_folder *folder)
{
    const size_t counted = unpacking->writer == NULL ? folder->folders : 0; /* by libext2fs */
    union unpack_inode inode;
    int r = replace_names(unpacking, folder);

    for (const struct put_name *name = folder->names; r == 0 && name != NULL; name = name->next)
        if (name->changed && !name->stands) {
            r = varve_progress("put", "bytes", unpacking->changed.bytes, 0);
            if (r == 0)
                r = add_name(unpacking, folder->inode, name);
        }
    if (r == 0)
        r = read_inode(unpacking, folder->inode, &inode);
    if (r == 0)
        r = put_links(unpacking, folder->folders - counted, &inode.large);
    if (r < 0)
        return r;
    put_changed(unpacking, folder, &inode.large);
    return unpack_inode_write(unpacking, folder->inode, &inode);
}

int unpack_folders(struct unpacking *unpacking)
{
    int r = 0;

    unpacking->path = unpacking->target;
    for (struct put_folder *folder = unpacking->names.first; r == 0 && folder != NULL;
         folder = folder->next) {
        r = varve_progress("put", "bytes", unpacking->changed.bytes, 0);
        if (r == 0)
            r = write_if_whole(unpacking, folder);
    }
    if (r == 0 && unpacking->writer != NULL)
        r = ext4_writer_finish(unpacking->writer);
    for (struct put_folder *folder = unpacking->names.first; r == 0 && folder != NULL;
         folder = folder->next)
        if (!folder->written && folder->changed > 0)
            r = change(unpacking, folder);
    return r;
}
