#include "files/ext4_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_io.h"
#include "files/ext4_path.h"

struct listing {
    ext2_filsys fs;
    ext2fs_inode_bitmap seen; /* folders: a damaged one may hold itself */
    varve_file_visit visit;
    void *opaque;
    uint64_t done;
    size_t length; /* of path */
    bool recursive;
    char path[EXT4_PATH_MAX];
};

/* Bits 0 and 1 of the extra word are bits 32 and 33 of the time, the rest nanoseconds. */
static void set_time(struct varve_file *entry, const struct ext2_inode_large *inode)
{
    entry->mtime = (int32_t)inode->i_mtime;
    if (inode->i_extra_isize < 12) /* up to i_mtime_extra */
        return;
    entry->mtime += (int64_t)(inode->i_mtime_extra & 3) << 32;
    entry->mtime_nanoseconds = inode->i_mtime_extra >> 2;
}

int ext4_file_describe(ext2_filsys fs, const char *path, ext2_ino_t number,
                       struct ext2_inode_large *inode, struct varve_file *ret_file,
                       char **ret_target)
{
    char *target = NULL;
    struct varve_file entry = {
        .path = path,
        .inode = number,
        .mode = inode->i_mode,
        .uid = inode_uid(*inode),
        .gid = inode_gid(*inode),
        .links = inode->i_links_count,
        .size = EXT2_I_SIZE(inode),
    };
    int r = S_ISLNK(inode->i_mode) ? ext4_link_read(fs, number, inode, &target) : 0;

    if (r < 0)
        return r;
    set_time(&entry, inode);
    entry.target = target;
    *ret_file = entry;
    *ret_target = target;
    return 0;
}

static int show(struct listing *listing, const char *path, ext2_ino_t number,
                struct ext2_inode_large *inode)
{
    struct varve_file file = {.path = NULL};
    char *target = NULL;
    int r = varve_progress("list", "files", listing->done++, 0);

    if (r == 0)
        r = ext4_file_describe(listing->fs, path, number, inode, &file, &target);
    if (r == 0)
        r = listing->visit(listing->opaque, &file);
    free(target);
    return r;
}

static int list_folder(struct listing *listing, ext2_ino_t folder);

/* One name of the folder that listing->path names. */
static int list_name(struct listing *listing, const struct ext4_name *name)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    const size_t before = listing->length, length = strlen(name->name);
    int r = ext4_inode_read(listing->fs, name->inode, &inode);

    if (r < 0)
        return r;
    if (before + length + 2 > sizeof listing->path)
        return varve_fail(ENAMETOOLONG, "%s: paths below '%.200s' have more than %d bytes",
                          ext4_what(listing->fs), listing->path, EXT4_PATH_MAX - 1);
    if (before > 0)
        listing->path[listing->length++] = '/';
    memcpy(listing->path + listing->length, name->name, length + 1);
    listing->length += length;
    r = show(listing, listing->path, name->inode, &inode);
    if (r == 0 && listing->recursive && S_ISDIR(inode.i_mode))
        r = list_folder(listing, name->inode);
    listing->length = before;
    listing->path[before] = '\0';
    return r;
}

static int list_folder(struct listing *listing, ext2_ino_t folder)
{
    struct ext4_names names;
    int r;

    if (ext2fs_fast_test_inode_bitmap2(listing->seen, folder))
        return ext4_damaged(listing->fs, "folder '%.200s' is in two places", listing->path);
    ext2fs_fast_mark_inode_bitmap2(listing->seen, folder);
    r = ext4_names_read(listing->fs, folder, &names);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < names.count; i++)
        r = list_name(listing, &names.list[i]);
    ext4_names_release(&names);
    return r;
}

int ext4_list(ext2_filsys fs, const char *path, bool recursive, varve_file_visit visit,
              void *opaque)
{
    struct listing *listing = NULL;
    struct ext2_inode_large inode = {.i_mode = 0};
    struct ext4_place place;
    int r = ext4_path_find(fs, path, EXT4_FOLLOW, &place);

    if (r == 0)
        r = ext4_inode_read(fs, place.inode, &inode);
    if (r < 0)
        return r;
    listing = calloc(1, sizeof *listing);
    if (listing == NULL)
        return varve_no_memory("a list of files");
    listing->fs = fs;
    listing->visit = visit;
    listing->opaque = opaque;
    listing->recursive = recursive;
    if (!S_ISDIR(inode.i_mode)) {
        r = show(listing, place.name, place.inode, &inode);
    } else {
        r = ext4_result(fs, ext2fs_allocate_inode_bitmap(fs, "listed folders", &listing->seen),
                        "list it");
        if (r == 0)
            r = list_folder(listing, place.inode);
    }
    if (listing->seen != NULL)
        ext2fs_free_inode_bitmap(listing->seen);
    free(listing);
    return r;
}
