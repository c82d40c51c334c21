/* Where the files of an archive go: paths of the target and of entries. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <varve/error.h>

#include "files/ext4_io.h"
#include "files/ext4_path.h"
#include "files/ext4_unpack_internal.h"

/* Takes the next name off the front of a path: 1, 0 at its end. */
static int next_part(const char **path, char part[EXT2_NAME_LEN + 1])
{
    const char *start = *path + strspn(*path, "/");
    const size_t length = strcspn(start, "/");

    if (length == 0)
        return 0;
    if (length > EXT2_NAME_LEN)
        return varve_fail(ENAMETOOLONG,
                          "a name in the path '%.100s...' has %zu bytes; %d are the "
                          "most",
                          start, length, EXT2_NAME_LEN);
    memcpy(part, start, length);
    part[length] = '\0';
    *path = start + length;
    if (strcmp(part, "..") == 0)
        return varve_fail(EINVAL,
                          "the path '%.200s' leads back with '..', which a put does not "
                          "follow",
                          start);
    return 1;
}

static int is_folder(struct unpacking *unpacking, ext2_ino_t number, bool *ret_folder)
{
    struct ext2_inode_large inode = {.i_mode = 0};
    int r = ext4_inode_read(unpacking->fs, number, &inode);

    *ret_folder = S_ISDIR(inode.i_mode);
    return r;
}

int unpack_go_into(struct unpacking *unpacking, struct put_folder *folder, const char *part,
                   bool make, struct put_folder **ret_folder)
{
    const struct put_name *name = put_folder_find(folder, part);
    bool is = false;
    int r;

    if (name == NULL && make)
        return unpack_make_folder(unpacking, folder, part, ret_folder);
    if (name == NULL)
        return varve_fail(ENOENT, "'%.200s': there is no folder '%s' on the way", unpacking->path,
                          part);
    r = is_folder(unpacking, name->inode, &is);
    if (r == 0 && !is)
        r = varve_fail(ENOTDIR,
                       "'%.200s': '%s' on the way to it is a file and no folder; delete it first",
                       unpacking->path, part);
    return r == 0 ? put_names_folder(&unpacking->names, unpacking->fs, name->inode, ret_folder) : r;
}

/* From a folder along a path to its last name. */
static int follow(struct unpacking *unpacking, struct put_folder *folder, const char *path,
                  bool make, struct unpack_spot *ret_spot)
{
    char part[EXT2_NAME_LEN + 1];
    int r;

    ret_spot->name[0] = '\0';
    while ((r = next_part(&path, part)) > 0) {
        if (strcmp(part, ".") == 0)
            continue;
        if (ret_spot->name[0] != '\0') {
            r = unpack_go_into(unpacking, folder, ret_spot->name, make, &folder);
            if (r < 0)
                return r;
        }
        memcpy(ret_spot->name, part, sizeof part);
    }
    ret_spot->folder = folder;
    return r;
}

int unpack_find(struct unpacking *unpacking, const char *path, bool make,
                struct unpack_spot *ret_spot)
{
    struct put_folder *into = NULL;
    int r;

    if (path[0] == '/')
        return varve_fail(EINVAL,
                          "the archive has an absolute path, '%.200s'; pack it again with "
                          "relative ones",
                          path);
    if (strlen(path) + strlen(unpacking->target) + 2 > UNPACK_PATH_MAX)
        return varve_fail(ENAMETOOLONG,
                          "the path '%.100s...' has more than %d bytes below '%.100s'", path,
                          UNPACK_PATH_MAX - 1, unpacking->target);
    r = put_names_folder(&unpacking->names, unpacking->fs, unpacking->into, &into);
    return r == 0 ? follow(unpacking, into, path, make, ret_spot) : r;
}

/* Cuts the last name off a path, and the slashes before it. "" is what is left of one name. */
static void cut_last(char *path)
{
    size_t length = strlen(path);

    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 0 && path[length - 1] == '/')
        length--;
    path[length] = '\0';
}

static int standing(struct unpacking *unpacking, const char *path, struct ext4_place *ret_place,
                    bool *ret_folder)
{
    int r = ext4_path_find(unpacking->fs, path, EXT4_FOLLOW, ret_place);

    return r == 0 ? is_folder(unpacking, ret_place->inode, ret_folder) : r;
}

/* The longest part of the path that is there has to be a folder; the rest is made, but for the last
 * name. */
static int make_way(struct unpacking *unpacking, const char *path, struct unpack_spot *ret_spot)
{
    char there[EXT4_PATH_MAX];
    struct put_folder *folder = NULL;
    struct ext4_place place;
    bool is = false;
    int r;

    memcpy(there, path, strlen(path) + 1);
    do {
        cut_last(there);
        r = standing(unpacking, there, &place, &is);
    } while (r == -ENOENT && there[0] != '\0');
    if (r == 0 && !is)
        r = varve_fail(ENOTDIR, "%s: '%s' is a file and no folder", ext4_what(unpacking->fs),
                       there);
    if (r == 0)
        r = put_names_folder(&unpacking->names, unpacking->fs, place.inode, &folder);
    return r == 0 ? follow(unpacking, folder, path + strlen(there), true, ret_spot) : r;
}

/* Nothing has the target's name yet. */
static int begin_missing(struct unpacking *unpacking, const char *path, bool folder)
{
    struct unpack_spot spot = {.folder = NULL};
    struct put_folder *made = NULL;
    int r = make_way(unpacking, path, &spot);

    if (r < 0)
        return r;
    if (!folder && spot.name[0] != '\0') {
        unpacking->into = spot.folder->inode;
        unpacking->only = true;
        memcpy(unpacking->only_name, spot.name, sizeof spot.name);
        return 0;
    }
    made = spot.folder;
    if (spot.name[0] != '\0')
        r = unpack_go_into(unpacking, spot.folder, spot.name, true, &made);
    if (r == 0)
        unpacking->into = made->inode;
    return r;
}

/* The target is a file; a link to one is replaced itself. */
static int begin_file(struct unpacking *unpacking, const char *path, bool folder)
{
    struct ext4_place place = {.inode = 0};
    int r;

    if (folder)
        return varve_fail(ENOTDIR, "%s: '%s' is a file and no folder", ext4_what(unpacking->fs),
                          path);
    r = ext4_path_find(unpacking->fs, path, 0, &place);
    unpacking->into = place.folder;
    unpacking->only = true;
    memcpy(unpacking->only_name, place.name, sizeof place.name);
    return r;
}

int unpack_begin(struct unpacking *unpacking, bool folder)
{
    const size_t length = strlen(unpacking->target);
    struct ext4_place place = {.inode = 0};
    char path[EXT4_PATH_MAX];
    bool is = false;
    int r;

    if (length >= sizeof path)
        return varve_fail(ENAMETOOLONG, "the target's path has %zu bytes; %d are the most", length,
                          EXT4_PATH_MAX - 1);
    memcpy(path, unpacking->target, length + 1);
    for (size_t at = length; at > 0 && path[at - 1] == '/'; at--) {
        path[at - 1] = '\0';
        folder = true;
    }
    unpacking->path = unpacking->target;
    r = standing(unpacking, path, &place, &is);
    if (r == -ENOENT)
        r = begin_missing(unpacking, path, folder);
    else if (r == 0 && !is)
        r = begin_file(unpacking, path, folder);
    else if (r == 0)
        unpacking->into = place.inode;
    unpacking->begun = r == 0;
    return r;
}
