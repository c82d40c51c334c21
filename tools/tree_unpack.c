#include "tree_unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/error.h>

#include "command.h"

enum { BLOCK = 64 << 10 };

struct unpacking {
    struct archive *from, *to;
    struct archive_entry *entry;
    struct archive_entry *top; /* the folder itself, or NULL */
    bool root;
    unsigned long warnings;
    char first[512];
};

static int failed(struct archive *archive, const struct archive_entry *entry)
{
    const char *path =
        entry != NULL ? archive_entry_pathname((struct archive_entry *)(uintptr_t)entry) : NULL;
    int error = archive_errno(archive);

    if (error <= 0)
        error = EIO;
    return varve_fail(error, "cannot unpack '%.300s': %s", path != NULL ? path : "",
                      archive_error_string(archive));
}

/* 0 also for what could not be set on a file that is there; it is counted. */
static int look(struct unpacking *unpacking, int result)
{
    if (result == ARCHIVE_OK)
        return 0;
    if (result != ARCHIVE_WARN)
        return failed(unpacking->to, unpacking->entry);
    if (unpacking->warnings++ == 0) {
        const char *path = archive_entry_pathname(unpacking->entry);
        snprintf(unpacking->first, sizeof unpacking->first, "'%.300s': %.150s",
                 path != NULL ? path : "", archive_error_string(unpacking->to));
    }
    return 0;
}

/* Only root may set them; without that each file would fail. */
static void keep_own_attributes(struct archive_entry *entry)
{
    const char *name;
    const void *value;
    size_t length;
    struct archive_entry *copy = archive_entry_clone(entry);

    archive_entry_xattr_clear(entry);
    archive_entry_xattr_reset(copy);
    while (archive_entry_xattr_next(copy, &name, &value, &length) == ARCHIVE_OK)
        if (strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl", 16) == 0)
            archive_entry_xattr_add_entry(entry, name, value, length);
    archive_entry_free(copy);
}

static int unpack_content(struct unpacking *unpacking)
{
    const void *bytes;
    size_t length;
    la_int64_t offset;
    int result;

    while ((result = archive_read_data_block(unpacking->from, &bytes, &length, &offset)) ==
           ARCHIVE_OK)
        if (archive_write_data_block(unpacking->to, bytes, length, offset) < ARCHIVE_OK)
            return failed(unpacking->to, unpacking->entry);
    return result == ARCHIVE_EOF ? 0 : failed(unpacking->from, unpacking->entry);
}

static int unpack_entry(struct unpacking *unpacking)
{
    int r;

    if (!unpacking->root)
        keep_own_attributes(unpacking->entry);
    r = look(unpacking, archive_write_header(unpacking->to, unpacking->entry));
    if (r == 0 && archive_entry_size(unpacking->entry) > 0)
        r = unpack_content(unpacking);
    return r == 0 ? look(unpacking, archive_write_finish_entry(unpacking->to)) : r;
}

static int open_disk(struct unpacking *unpacking)
{
    const int kept = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
                     ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
                     ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

    unpacking->to = archive_write_disk_new();
    if (unpacking->to == NULL)
        return varve_no_memory("an archive");
    archive_write_disk_set_options(unpacking->to,
                                   kept | (unpacking->root ? ARCHIVE_EXTRACT_OWNER : 0));
    return 0;
}

/* What was put off until the end: times and permissions of folders. */
static int close_disk(struct unpacking *unpacking)
{
    int r = archive_write_close(unpacking->to) == ARCHIVE_OK ? 0 : failed(unpacking->to, NULL);

    archive_write_free(unpacking->to);
    unpacking->to = NULL;
    return r;
}

/* The folder that all goes into was not made by the library, which puts nothing off for such. */
static int unpack_top(struct unpacking *unpacking)
{
    int r = open_disk(unpacking);

    unpacking->entry = unpacking->top;
    if (r == 0)
        r = unpack_entry(unpacking);
    return r == 0 ? close_disk(unpacking) : r;
}

static int unpack_next(struct unpacking *unpacking)
{
    const char *path = archive_entry_pathname(unpacking->entry);

    if (unpacking->top != NULL || path == NULL ||
        (strcmp(path, ".") != 0 && strcmp(path, "./") != 0))
        return unpack_entry(unpacking);
    unpacking->top = archive_entry_clone(unpacking->entry);
    return unpacking->top != NULL ? 0 : varve_no_memory("an archive");
}

static int unpack_all(struct unpacking *unpacking, int fd)
{
    int result, r = open_disk(unpacking);

    if (r < 0)
        return r;
    if (archive_read_support_format_tar(unpacking->from) != ARCHIVE_OK ||
        archive_read_open_fd(unpacking->from, fd, BLOCK) != ARCHIVE_OK)
        return failed(unpacking->from, NULL);
    while (r == 0 &&
           (result = archive_read_next_header(unpacking->from, &unpacking->entry)) != ARCHIVE_EOF)
        r = result == ARCHIVE_OK ? unpack_next(unpacking) : failed(unpacking->from, NULL);
    if (r == 0)
        r = close_disk(unpacking);
    return r == 0 && unpacking->top != NULL ? unpack_top(unpacking) : r;
}

static int unpack_here(int fd)
{
    struct unpacking unpacking = {.from = archive_read_new(), .root = geteuid() == 0};
    int r = unpacking.from != NULL ? unpack_all(&unpacking, fd) : varve_no_memory("an archive");

    archive_read_free(unpacking.from);
    archive_write_free(unpacking.to);
    archive_entry_free(unpacking.top);
    if (r == 0 && unpacking.warnings > 0)
        command_warn("what could not be set on %lu of the files; the first is %s",
                     unpacking.warnings, unpacking.first);
    return r;
}

/* The library works in the current folder. This thread gets one of its own, so that paths of other
 * threads lead where they did; it goes back at the end. */
int tree_unpack(int fd, int folder)
{
    int r = 0, before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (before < 0 || unshare(CLONE_FS) < 0 || fchdir(folder) < 0)
        r = varve_fail(errno, "cannot enter the folder to unpack into: %s", strerror(errno));
    if (r == 0)
        r = unpack_here(fd);
    if (before >= 0) {
        if (fchdir(before) < 0 && r == 0)
            r = varve_fail(errno, "cannot go back to the current folder: %s", strerror(errno));
        close(before);
    }
    return r;
}
