#include "files/tree.h"

#include <stdio.h>
#include <string.h>

#include "files/ext4_archive.h"
#include "files/ext4_delete.h"
#include "files/ext4_io.h"
#include "files/ext4_list.h"
#include "files/ext4_unpack.h"

int tree_list(const struct files_target *target, const char *what, const char *path, bool recursive,
              varve_file_visit visit, void *opaque)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, 0, what, &fs);

    if (r == 0)
        r = ext4_list(fs, path, recursive, visit, opaque);
    ext4_abandon(fs);
    return r;
}

int tree_get(const struct files_target *target, const char *what, const char *path,
             varve_file_sink sink, void *opaque)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, 0, what, &fs);

    if (r == 0)
        r = ext4_archive(fs, path, sink, opaque);
    ext4_abandon(fs);
    return r;
}

int tree_put(const struct files_target *target, const char *what, const char *path,
             varve_file_source source, void *opaque, struct files_changed *ret_changed)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, EXT4_WRITE, what, &fs);

    if (r == 0)
        r = ext4_unpack(fs, path, source, opaque, ret_changed);
    if (r == 0)
        return ext4_close(fs);
    ext4_abandon(fs);
    return r;
}

int tree_delete(const struct files_target *target, const char *what, const char *path,
                struct files_changed *ret_changed)
{
    ext2_filsys fs = NULL;
    int r = ext4_open(target, EXT4_WRITE, what, &fs);

    if (r == 0)
        r = ext4_delete(fs, path, ret_changed);
    if (r == 0)
        return ext4_close(fs);
    ext4_abandon(fs);
    return r;
}

/* Without the slashes and dots that say nothing. */
static const char *plain(const char *path)
{
    while (path[0] == '/' || (path[0] == '.' && (path[1] == '/' || path[1] == '\0')))
        path++;
    return path;
}

void files_changed_path(struct files_changed *changed, const char *folder, const char *name)
{
    static const char mark[] = "...";
    size_t length;
    int whole;

    folder = plain(folder);
    name = plain(name);
    length = strlen(folder);
    while (length > 0 && folder[length - 1] == '/')
        length--;
    whole = snprintf(changed->path, sizeof changed->path, "/%.*s%s%s", (int)length, folder,
                     length > 0 && name[0] != '\0' ? "/" : "", name);
    length = strlen(changed->path);
    if (whole >= (int)sizeof changed->path)
        memcpy(changed->path + sizeof changed->path - sizeof mark, mark, sizeof mark);
    else if (length > 1 && changed->path[length - 1] == '/')
        changed->path[length - 1] = '\0';
}
