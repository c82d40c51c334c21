/*
 * The catalog's bytes for one who may not write. SQLite cannot roll back a hot journal on a
 * read-only connection, and with immutable=1 it would take the half-written file for the truth. So
 * the file is read, and where a crash left a journal, a private copy of both is rolled back outside
 * the store. The store's lock keeps writers away meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

enum { CATALOG_SIZE_MAX = 1 << 30 }; /* bytes that are read into memory */

static int read_whole(int fd, const char *path, unsigned char **ret_bytes, int64_t *ret_size)
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
    *ret_bytes = bytes;
    *ret_size = about.st_size;
    return 0;
}

static int read_file(const char *path, unsigned char **ret_bytes, int64_t *ret_size)
{
    int r, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return varve_fail(errno == ENOENT ? ENOENT : EIO, "cannot open '%s': %s", path,
                          strerror(errno));
    r = read_whole(fd, path, ret_bytes, ret_size);
    close(fd);
    return r;
}

static int write_file(const char *path, const unsigned char *bytes, int64_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int64_t done = 0;
    int r = 0;

    if (fd < 0)
        return varve_fail(EIO, "cannot make '%s': %s", path, strerror(errno));
    while (r == 0 && done < size) {
        ssize_t n = write(fd, bytes + done, (size_t)(size - done));

        if (n < 0 && errno != EINTR)
            r = varve_fail(errno == ENOSPC ? ENOSPC : EIO, "cannot write '%s': %s", path,
                           strerror(errno));
        else if (n > 0)
            done += n;
    }
    close(fd);
    return r;
}

/* Opening the copy rolls it back; the result is handed over as bytes. */
static int roll_back_copy(const char *file, unsigned char **ret_bytes, int64_t *ret_size)
{
    unsigned char *bytes = NULL;
    sqlite3_int64 size = 0;
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        bytes = sqlite3_serialize(db, "main", &size, 0);
        if (bytes == NULL)
            code = SQLITE_NOMEM;
    }
    if (code != SQLITE_OK) {
        int r =
            varve_fail(code == SQLITE_NOMEM                                                ? ENOMEM
                       : (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ? EBADMSG
                                                                                           : EIO,
                       "cannot roll back a copy of the catalog in '%s': %s", file,
                       db == NULL ? "no memory" : sqlite3_errmsg(db));
        (void)sqlite3_close(db);
        return r;
    }
    (void)sqlite3_close(db);
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

struct private_copy {
    char folder[128];
    char file[160];
    char journal[168];
};

static int make_copy(struct private_copy *copy, const unsigned char *bytes, int64_t size,
                     const unsigned char *journal, int64_t journal_size)
{
    const char *place = getenv("TMPDIR");
    int r;

    if (place == NULL || place[0] != '/' || strlen(place) > 64)
        place = "/tmp";
    snprintf(copy->folder, sizeof copy->folder, "%s/varve-catalog-XXXXXX", place);
    if (mkdtemp(copy->folder) == NULL) {
        r = varve_fail(EIO, "cannot make a directory for a copy of the catalog in '%s': %s", place,
                       strerror(errno));
        copy->folder[0] = '\0';
        return r;
    }
    snprintf(copy->file, sizeof copy->file, "%s/catalog.db", copy->folder);
    snprintf(copy->journal, sizeof copy->journal, "%s-journal", copy->file);
    r = write_file(copy->file, bytes, size);
    if (r == 0)
        r = write_file(copy->journal, journal, journal_size);
    return r;
}

static void remove_copy(struct private_copy *copy)
{
    if (copy->folder[0] == '\0')
        return;
    (void)unlink(copy->file);
    (void)unlink(copy->journal);
    (void)rmdir(copy->folder);
}

int catalog_read_image(const char *path, unsigned char **ret_bytes, int64_t *ret_size)
{
    struct private_copy copy = {.folder = ""};
    unsigned char *bytes = NULL, *journal = NULL;
    int64_t size = 0, journal_size = 0;
    char journal_path[PATH_MAX];
    int r = read_file(path, &bytes, &size);

    if (r != 0)
        return r;
    snprintf(journal_path, sizeof journal_path, "%s-journal", path);
    r = read_file(journal_path, &journal, &journal_size);
    /* Finished journals stay behind with a first byte of zero. */
    if (r == -ENOENT || (r == 0 && (journal_size == 0 || journal[0] == 0))) {
        sqlite3_free(journal);
        *ret_bytes = bytes;
        *ret_size = size;
        return 0;
    }
    if (r == 0)
        r = make_copy(&copy, bytes, size, journal, journal_size);
    if (r == 0)
        r = roll_back_copy(copy.file, ret_bytes, ret_size);
    remove_copy(&copy);
    sqlite3_free(journal);
    sqlite3_free(bytes);
    return r;
}
