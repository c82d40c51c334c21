/*
 * The catalog's bytes for one who may not write. SQLite cannot roll back a hot journal on a
 * read-only connection, and with immutable=1 it would take the half-written file for the truth. So
 * the file is read, and where a crash left a journal, both are rolled back in memory. The store's
 * lock keeps writers away meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

enum { CATALOG_SIZE_MAX = 1 << 30 }; /* bytes that are read into memory */

static int read_whole(int fd, const char *path, struct catalog_file *ret_image)
{
    unsigned char *bytes;
    struct stat about;
    off_t done = 0;

    if (fstat(fd, &about) != 0)
        return varve_fail(EIO, "cannot look at '%s': %s", path, strerror(errno));
    if (about.st_size > CATALOG_SIZE_MAX)
        return varve_fail(EIO, "'%s' has %lld bytes; a catalog has at most %d", path,
                          (long long)about.st_size, (int)CATALOG_SIZE_MAX);
    bytes = sqlite3_malloc64((sqlite3_uint64)about.st_size + 1);
    if (bytes == NULL)
        return varve_fail(ENOMEM, "no memory to read '%s'", path);
    while (done < about.st_size) {
        ssize_t n = pread(fd, bytes + done, (size_t)(about.st_size - done), done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int r = varve_fail(EIO, "cannot read '%s': %s", path,
                               n == 0 ? "it became shorter" : strerror(errno));
            sqlite3_free(bytes);
            return r;
        }
        done += n;
    }
    *ret_image = (struct catalog_file){bytes, about.st_size};
    return 0;
}

static int read_file(const char *path, struct catalog_file *ret_image)
{
    int r, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return varve_fail(errno == ENOENT ? ENOENT : EIO, "cannot open '%s': %s", path,
                          strerror(errno));
    r = read_whole(fd, path, ret_image);
    close(fd);
    return r;
}

int catalog_read_image(const char *path, struct catalog_file *ret_image)
{
    struct catalog_file image = {.bytes = NULL}, journal = {.bytes = NULL};
    char journal_path[PATH_MAX];
    int r = read_file(path, &image);

    if (r != 0)
        return r;
    snprintf(journal_path, sizeof journal_path, "%s-journal", path);
    r = read_file(journal_path, &journal);
    /* Finished journals stay behind with a first byte of zero. */
    if (r == -ENOENT || (r == 0 && (journal.size == 0 || journal.bytes[0] == 0)))
        r = 0;
    else if (r == 0)
        r = catalog_roll_back(path, &image, &journal);
    sqlite3_free(journal.bytes);
    if (r != 0) {
        sqlite3_free(image.bytes);
        return r;
    }
    *ret_image = image;
    return 0;
}
