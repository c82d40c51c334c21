#include "tree_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <varve/error.h>

/* Opens a folder of ours to change it, whatever permissions it came with. */
static DIR *open_own(int folder, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat stat;
    int fd;

    if (fstatat(folder, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode) &&
        (stat.st_mode & S_IRWXU) != S_IRWXU)
        (void)fchmodat(folder, name, stat.st_mode | S_IRWXU, 0);
    fd = openat(folder, name, flags);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    if (list == NULL && fd >= 0)
        close(fd);
    return list;
}

static const char *next(DIR *list)
{
    const struct dirent *entry;

    do
        entry = readdir(list);
    while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry != NULL ? entry->d_name : NULL;
}

void tree_remove(int folder, const char *name)
{
    const char *inner;
    DIR *list;

    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return;
    list = open_own(folder, name);
    if (list == NULL)
        return;
    while ((inner = next(list)) != NULL)
        tree_remove(dirfd(list), inner);
    closedir(list);
    (void)unlinkat(folder, name, AT_REMOVEDIR);
}

static int failed(const char *name)
{
    return varve_fail(errno, "cannot put '%.300s' in its place: %s", name, strerror(errno));
}

/* *ret_merge: both are folders. */
static int compare(int from, const char *name, int to, const char *new_name, bool *ret_merge)
{
    struct stat source, target;

    *ret_merge = false;
    if (fstatat(from, name, &source, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(name);
    if (fstatat(to, new_name, &target, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : failed(new_name);
    if (S_ISDIR(source.st_mode) && !S_ISDIR(target.st_mode))
        return varve_fail(ENOTDIR,
                          "'%.300s' is a folder, and a file of that name is where it is to go",
                          new_name);
    if (!S_ISDIR(source.st_mode) && S_ISDIR(target.st_mode))
        return varve_fail(
            EISDIR, "'%.300s' is a file, and a folder of that name is where it is to go", new_name);
    *ret_merge = S_ISDIR(source.st_mode);
    return 0;
}

/* A folder's own permissions may forbid to change its "..". */
static int rename_all(int from, const char *name, int to, const char *new_name)
{
    struct stat stat;

    if (renameat(from, name, to, new_name) == 0)
        return 0;
    if (errno != EACCES || fstatat(from, name, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(stat.st_mode))
        return failed(new_name);
    if (fchmodat(from, name, S_IRWXU, 0) < 0 || renameat(from, name, to, new_name) < 0 ||
        fchmodat(to, new_name, stat.st_mode & 07777, 0) < 0)
        return failed(new_name);
    return 0;
}

enum step { CHECK, MOVE };

static int place(int from, const char *name, int to, const char *new_name, enum step step);

static int place_content(int from, const char *name, int to, enum step step)
{
    const char *inner;
    bool again = true;
    int r = 0;
    DIR *list = open_own(from, name);

    if (list == NULL)
        return failed(name);
    while (r == 0 && again) { /* as names that move away may hide others from readdir */
        again = false;
        rewinddir(list);
        while (r == 0 && (inner = next(list)) != NULL) {
            r = place(dirfd(list), inner, to, inner, step);
            again = step == MOVE;
        }
    }
    closedir(list);
    return r;
}

static int place(int from, const char *name, int to, const char *new_name, enum step step)
{
    bool merge;
    int r = compare(from, name, to, new_name, &merge);

    if (r < 0)
        return r;
    if (!merge)
        return step == MOVE ? rename_all(from, name, to, new_name) : 0;
    int inner = openat(to, new_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0)
        return failed(new_name);
    r = place_content(from, name, inner, step);
    close(inner);
    if (r == 0 && step == MOVE && unlinkat(from, name, AT_REMOVEDIR) < 0)
        r = failed(name);
    return r;
}

int tree_place_first(int from, const char *name, char ret_name[256])
{
    DIR *list = open_own(from, name);
    const char *inner = list != NULL ? next(list) : NULL;
    int r = 0;

    if (inner != NULL)
        snprintf(ret_name, 256, "%s", inner);
    else
        r = varve_fail(ENOENT, "there is nothing to get: sockets are left out");
    if (list != NULL)
        closedir(list);
    return r;
}

int tree_place(int from, const char *name, int to, const char *new_name)
{
    int r = place(from, name, to, new_name, CHECK);

    return r == 0 ? place(from, name, to, new_name, MOVE) : r;
}

int tree_place_content(int from, const char *name, int to)
{
    int r = place_content(from, name, to, CHECK);

    return r == 0 ? place_content(from, name, to, MOVE) : r;
}
