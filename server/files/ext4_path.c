#include "files/ext4_path.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <varve/error.h>

#include "files/ext4_io.h"

int ext4_inode_read(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *ret_inode)
{
    memset(ret_inode, 0, sizeof *ret_inode);
    if (number == 0 || number > fs->super->s_inodes_count)
        return ext4_damaged(fs, "a name leads to inode %u", (unsigned)number);
    return ext4_result(fs,
                       ext2fs_read_inode_full(fs, number, (struct ext2_inode *)(void *)ret_inode,
                                              sizeof *ret_inode),
                       "read inode %u", (unsigned)number);
}

/* A target in blocks of its own. */
static errcode_t read_target(ext2_filsys fs, ext2_ino_t number, char *target, unsigned size)
{
    ext2_file_t file;
    unsigned got = 0;
    errcode_t code = ext2fs_file_open(fs, number, 0, &file);

    if (code != 0)
        return code;
    code = ext2fs_file_read(file, target, size, &got);
    ext2fs_file_close(file);
    return code == 0 && got != size ? EXT2_ET_SHORT_READ : code;
}

int ext4_link_read(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode,
                   char **ret_target)
{
    struct ext2_inode *small = (struct ext2_inode *)(void *)inode;
    const uint64_t size = EXT2_I_SIZE(inode);
    char *target;
    int r = 0;

    if (size == 0 || size >= EXT4_PATH_MAX)
        return ext4_damaged(fs, "the symbolic link of inode %u is %llu bytes long",
                            (unsigned)number, (unsigned long long)size);
    target = calloc(1, (size_t)size + 1);
    if (target == NULL)
        return varve_no_memory("a symbolic link");
    if (ext2fs_is_fast_symlink(small) && size < sizeof inode->i_block)
        memcpy(target, inode->i_block, (size_t)size);
    else
        r = ext4_result(fs, read_target(fs, number, target, (unsigned)size),
                        "read the symbolic link of inode %u", (unsigned)number);
    if (r == 0 && strlen(target) != size)
        r = ext4_damaged(fs, "the symbolic link of inode %u has a zero in it", (unsigned)number);
    if (r < 0) {
        free(target);
        return r;
    }
    *ret_target = target;
    return 0;
}

/* A path on its way: what is left of it, with the links' targets put in place of the links. */
struct walk {
    ext2_filsys fs;
    const char *path; /* as the user gave it */
    char left[2 * EXT4_PATH_MAX];
    unsigned links;
};

/* Takes the next name off the front. *ret_last: nothing but slashes stood behind it; *ret_slash:
 * at least one did. False at the end. */
static int next_name(struct walk *walk, char name[EXT2_NAME_LEN + 1], bool *ret_last,
                     bool *ret_slash)
{
    const char *start = walk->left + strspn(walk->left, "/");
    size_t length = strcspn(start, "/");
    size_t slashes = strspn(start + length, "/");

    if (length == 0)
        return 0;
    if (length > EXT2_NAME_LEN)
        return varve_fail(ENAMETOOLONG, "a name in the path has %zu bytes; %d are the most", length,
                          EXT2_NAME_LEN);
    memcpy(name, start, length);
    name[length] = '\0';
    *ret_slash = slashes > 0;
    start += length + slashes;
    *ret_last = *start == '\0';
    memmove(walk->left, start, strlen(start) + 1);
    return 1;
}

/* Puts a link's target before what is left. */
static int lead_on(struct walk *walk, ext2_ino_t number, struct ext2_inode_large *inode, bool slash,
                   bool *ret_absolute)
{
    char *target = NULL;
    size_t length, rest = strlen(walk->left);
    int r;

    if (++walk->links > EXT4_LINKS_MAX)
        return varve_fail(ELOOP, "%s: '%s' leads through more than %d symbolic links",
                          ext4_what(walk->fs), walk->path, EXT4_LINKS_MAX);
    r = ext4_link_read(walk->fs, number, inode, &target);
    if (r < 0)
        return r;
    assert(target != NULL);
    length = strlen(target);
    if (length + rest + 2 > sizeof walk->left) {
        free(target);
        return varve_fail(ENAMETOOLONG, "%s: the links of '%s' make a path of more than %zu bytes",
                          ext4_what(walk->fs), walk->path, sizeof walk->left);
    }
    memmove(walk->left + length + slash, walk->left, rest + 1);
    memcpy(walk->left, target, length);
    if (slash)
        walk->left[length] = '/';
    *ret_absolute = target[0] == '/';
    free(target);
    return 0;
}

static int is_folder(ext2_filsys fs, ext2_ino_t number, const char *path)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    int r = ext4_inode_read(fs, number, &inode);

    if (r == 0 && !S_ISDIR(inode.i_mode))
        r = varve_fail(ENOTDIR, "%s: '%s' leads through a file that is no folder", ext4_what(fs),
                       path);
    return r;
}

/* One name: moves `place` to it. */
static int step(struct walk *walk, const char *name, bool last, bool slash, unsigned flags,
                struct ext4_place *place)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    ext2_ino_t found = 0;
    bool absolute = false;
    errcode_t code;
    int r = is_folder(walk->fs, place->inode, walk->path);

    if (r < 0 || strcmp(name, ".") == 0)
        return r;
    code = ext2fs_lookup(walk->fs, place->inode, name, (int)strlen(name), NULL, &found);
    if (code == EXT2_ET_FILE_NOT_FOUND && last && (flags & EXT4_MISSING))
        found = 0;
    else if (code == EXT2_ET_FILE_NOT_FOUND)
        return varve_fail(ENOENT, "%s has no '%s'", ext4_what(walk->fs), walk->path);
    else if (code != 0)
        return ext4_result(walk->fs, code, "look for '%s'", walk->path);
    if (found != 0) {
        r = ext4_inode_read(walk->fs, found, &inode);
        if (r == 0 && S_ISLNK(inode.i_mode) && (!last || slash || (flags & EXT4_FOLLOW))) {
            r = lead_on(walk, found, &inode, slash, &absolute);
            if (r == 0 && absolute)
                *place = (struct ext4_place){.inode = EXT2_ROOT_INO, .folder = EXT2_ROOT_INO};
            return r;
        }
        if (r == 0 && last && slash && !S_ISDIR(inode.i_mode))
            r = varve_fail(ENOTDIR, "%s: '%s' is no folder", ext4_what(walk->fs), walk->path);
    }
    if (r < 0)
        return r;
    place->folder = place->inode;
    place->inode = found;
    memcpy(place->name, name, strlen(name) + 1);
    return 0;
}

/* After "..": what the folder is called, which its parent knows. */
static int name_folder(ext2_filsys fs, struct ext4_place *place)
{
    ext2_ino_t parent = 0;
    int r;

    if (place->inode == EXT2_ROOT_INO) {
        *place = (struct ext4_place){.inode = EXT2_ROOT_INO, .folder = EXT2_ROOT_INO};
        return 0;
    }
    r = ext4_result(fs, ext2fs_lookup(fs, place->inode, "..", 2, NULL, &parent), "look for '..'");
    if (r < 0)
        return r;
    struct ext4_names names;
    r = ext4_names_read(fs, parent, &names);
    if (r < 0)
        return r;
    for (size_t i = 0; i < names.count; i++)
        if (names.list[i].inode == place->inode)
            memcpy(place->name, names.list[i].name, strlen(names.list[i].name) + 1);
    ext4_names_release(&names);
    place->folder = parent;
    return 0;
}

int ext4_path_find(ext2_filsys fs, const char *path, unsigned flags, struct ext4_place *ret_place)
{
    struct ext4_place place = {.inode = EXT2_ROOT_INO, .folder = EXT2_ROOT_INO};
    struct walk walk = {.fs = fs, .path = path};
    char name[EXT2_NAME_LEN + 1];
    bool last = false, slash = false;
    int r = 1;

    if (strlen(path) >= EXT4_PATH_MAX)
        return varve_fail(ENAMETOOLONG, "a path has %zu bytes; %d are the most", strlen(path),
                          EXT4_PATH_MAX - 1);
    memcpy(walk.left, path, strlen(path) + 1);
    while ((r = next_name(&walk, name, &last, &slash)) > 0) {
        r = step(&walk, name, last, slash, flags, &place);
        if (r == 0 && strcmp(name, "..") == 0)
            r = name_folder(fs, &place);
        if (r < 0)
            break;
    }
    if (r < 0)
        return r;
    *ret_place = place;
    return 0;
}
