#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <varve/error.h>
#include <varve/progress.h>

#include "files/ext4_import_internal.h"

static int failed(const char *what, const char *path)
{
    int number = errno;

    return varve_fail(number, "cannot %s '%s': %s", what, path, strerror(number));
}

int import_changed(const char *path)
{
    return varve_fail(
        EBUSY, "'%s' changed while it was imported; stop what writes it and try again", path);
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_mode == b->st_mode &&
           a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int import_check(const char *path, const struct stat *was)
{
    struct stat now;

    if ((S_ISDIR(was->st_mode) ? stat(path, &now) : lstat(path, &now)) != 0)
        return failed("read", path);
    return same_stat(&now, was) ? 0 : import_changed(path);
}

static int read_fully(int fd, unsigned char *to, size_t length, uint64_t offset, const char *path)
{
    while (length > 0) {
        ssize_t got = pread(fd, to, length, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("read", path);
        if (got == 0)
            return import_changed(path);
        to += got;
        length -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

/* From `at`, a block's start, up to `end`. */
static int import_run(struct importing *importing, int fd, uint64_t at, uint64_t end)
{
    while (at < end) {
        uint64_t blocks = (end - at + EXT4_BLOCK - 1) / EXT4_BLOCK;
        unsigned char *memory;
        size_t length;
        uint32_t taken;
        blk64_t first;
        int r = ext4_writer_take(importing->writer, blocks, &first, &taken, &memory);

        if (r != 0)
            return r;
        length = (size_t)taken * EXT4_BLOCK;
        if (length > end - at) {
            memset(memory + (end - at), 0, length - (size_t)(end - at));
            length = (size_t)(end - at);
        }
        r = read_fully(fd, memory, length, at, importing->path);
        if (r == 0)
            r = ext4_layout_add(&importing->layout, at / EXT4_BLOCK, first, taken);
        importing->bytes += length;
        if (r == 0 && length >= EXT4_BLOCK)
            r = varve_progress("import", "bytes", importing->bytes, importing->tree->file_bytes);
        if (r != 0)
            return r;
        at += length;
    }
    return 0;
}

/* Only what is data; runs are widened to whole blocks, and a block is read once. */
static int import_sparse(struct importing *importing, int fd, uint64_t size)
{
    uint64_t done = 0;
    int r = 0;

    while (r == 0 && done < size) {
        off_t data = lseek(fd, (off_t)done, SEEK_DATA), hole;
        uint64_t from, to;

        if (data < 0 && errno == ENXIO)
            break;
        hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole <= data)
            return hole < 0 ? failed("find the holes of", importing->path)
                            : import_changed(importing->path);
        from = (uint64_t)data / EXT4_BLOCK * EXT4_BLOCK;
        to = ((uint64_t)hole + EXT4_BLOCK - 1) / EXT4_BLOCK * EXT4_BLOCK;
        from = from < done ? done : from;
        to = to > size ? size : to;
        r = import_run(importing, fd, from, to);
        done = to;
    }
    return r;
}

int import_content(struct importing *importing, const struct source_entry *entry)
{
    uint64_t size = (uint64_t)entry->stat.st_size;
    int fd = open(importing->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME | O_NONBLOCK);
    struct stat now;
    int r = 0;

    if (fd < 0 && errno == EPERM)
        fd = open(importing->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return failed("open", importing->path);
    if ((uint64_t)entry->stat.st_blocks * 512 < size)
        r = import_sparse(importing, fd, size);
    else
        r = import_run(importing, fd, 0, size);
    if (r == 0 && fstat(fd, &now) != 0)
        r = failed("read", importing->path);
    if (r == 0 && !same_stat(&now, &entry->stat))
        r = import_changed(importing->path);
    close(fd);
    return r;
}

static int set_attribute(struct importing *importing, struct ext2_xattr_handle *handle,
                         const char *name)
{
    static const char *const kept[] = {"user.", "trusted.", "security.", "system.posix_acl_"};
    char *value = malloc(XATTR_SIZE_MAX);
    bool known = false;
    ssize_t length;
    int r;

    if (value == NULL)
        return varve_no_memory("an extended attribute");
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        known |= strncmp(name, kept[i], strlen(kept[i])) == 0;
    length = lgetxattr(importing->path, name, value, XATTR_SIZE_MAX);
    if (!known)
        r = varve_fail(EOPNOTSUPP, "ext4 cannot hold the attribute '%s' of '%s'; remove it first",
                       name, importing->path);
    else if (length < 0)
        r = failed("read the attributes of", importing->path);
    else
        r = ext4_result(importing->fs, ext2fs_xattr_set(handle, name, value, (size_t)length),
                        "store the attribute '%s' of '%s'", name, importing->path);
    free(value);
    return r;
}

int import_attributes(struct importing *importing, ext2_ino_t number)
{
    struct ext2_xattr_handle *handle = NULL;
    char *list = malloc(XATTR_LIST_MAX);
    ssize_t length;
    int r;

    if (list == NULL)
        return varve_no_memory("extended attributes");
    length = llistxattr(importing->path, list, XATTR_LIST_MAX);
    if (length < 0)
        r = failed("list the attributes of", importing->path);
    else
        r = ext4_result(importing->fs, ext2fs_xattrs_open(importing->fs, number, &handle),
                        "store the attributes of '%s'", importing->path);
    for (ssize_t at = 0; r == 0 && at < length; at += (ssize_t)strlen(list + at) + 1)
        r = set_attribute(importing, handle, list + at);
    if (r == 0)
        r = ext4_result(importing->fs, ext2fs_xattrs_write(handle), "store the attributes of '%s'",
                        importing->path);
    if (handle != NULL)
        (void)ext2fs_xattrs_close(&handle);
    free(list);
    return r;
}
