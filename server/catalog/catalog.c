#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

/* Of every connection. A catalog is small and its changes few: little here is tuned for speed. The
 * cache holds all of it (10,000 versions take 6 MiB), since after each change the whole is read for
 * the copy in the store. The journal stays, and the file grows in steps (GROWTH), so that deleting
 * needs no new space from a full file system. */
static const char settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
                               "PRAGMA journal_mode = PERSIST;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA cache_size = -32768;" /* KiB */
                               "PRAGMA foreign_keys = ON;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA temp_store = MEMORY;";

enum { GROWTH = 256 << 10 }; /* bytes */

void catalog_close(struct catalog *catalog)
{
    if (catalog == NULL)
        return;
    /* Without statements it cannot be refused. */
    catalog_drop_statements(catalog);
    (void)sqlite3_close(catalog->db);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog->path);
    free(catalog);
}

/* Allocates and opens `file` of SQLite's; `path` is for messages. */
static int connect_to(const char *file, const char *path, int flags, struct catalog **ret_catalog)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    int code;

    if (catalog == NULL)
        return varve_fail(ENOMEM, "no memory to open catalog '%s'", path);
    pthread_mutex_init(&catalog->lock, NULL);
    catalog->path = strdup(path);
    if (catalog->path == NULL) {
        catalog_close(catalog);
        return varve_fail(ENOMEM, "no memory to open catalog '%s'", path);
    }
    code = sqlite3_open_v2(
        file, &catalog->db,
        flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK) {
        int r = catalog->db == NULL ? varve_fail(ENOMEM, "no memory to open catalog '%s'", path)
                                    : catalog_fail(catalog, code, "open the file");
        catalog_close(catalog);
        return r;
    }
    sqlite3_db_config(catalog->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    *ret_catalog = catalog;
    return 0;
}

int catalog_verify_locked(struct catalog *catalog, const char *pragma, catalog_report report,
                          void *opaque)
{
    sqlite3_stmt *statement = NULL;
    int problems = 0;
    int r = catalog_prepare_locked(catalog, pragma, &statement);

    while (r >= 0 && statement != NULL && (r = catalog_step_locked(catalog, statement)) == 1) {
        const char *line = (const char *)sqlite3_column_text(statement, 0);

        if (line != NULL && strcmp(line, "ok") == 0)
            continue;
        problems++;
        report(opaque, line == NULL ? "no memory to describe a problem" : line);
    }
    catalog_finish(catalog, statement);
    return r < 0 ? r : problems;
}

void catalog_keep_problem(void *opaque, const char *line)
{
    char *first = opaque;

    if (first[0] == '\0')
        snprintf(first, 128, "%.*s", (int)strcspn(line, "\n"), line);
}

static int prepare_use(struct catalog *catalog)
{
    int growth = GROWTH;
    char problem[128] = "";
    int r;

    assert(catalog != NULL);
    r = catalog_execute_locked(catalog, settings);

    (void)sqlite3_file_control(catalog->db, "main", SQLITE_FCNTL_CHUNK_SIZE, &growth);
    if (r == 0)
        r = catalog_verify_locked(catalog, "PRAGMA quick_check(1)", catalog_keep_problem, problem);
    if (r > 0)
        return varve_fail(EIO,
                          "catalog '%s' is damaged (%s); move the file away (keep it) and open the "
                          "store again: the names of volumes are then rebuilt from the store",
                          catalog->path, problem);
    if (r == 0)
        r = catalog_schema_upgrade_locked(catalog);
    if (r == 0)
        r = catalog_read_state_locked(catalog, &catalog->state);
    return r;
}

/* The end of an opening that came to `r`: hands the catalog over, or closes it. */
static int finish_open(int r, struct catalog *catalog, struct catalog **ret_catalog)
{
    if (r == 0)
        r = prepare_use(catalog);
    if (r == 0)
        *ret_catalog = catalog;
    else
        catalog_close(catalog);
    return r;
}

static int open_file(const char *path, struct catalog **ret_catalog)
{
    return connect_to(path, path, SQLITE_OPEN_READWRITE, ret_catalog);
}

int catalog_connect_bytes(const char *path, unsigned char *bytes, int64_t size,
                          struct catalog **ret_catalog)
{
    struct catalog *catalog = NULL;
    int code, r = connect_to(":memory:", path, SQLITE_OPEN_READWRITE, &catalog);

    if (r != 0) {
        sqlite3_free(bytes);
        return r;
    }
    assert(catalog != NULL);
    /* Takes the bytes over, also when it fails. */
    code = sqlite3_deserialize(catalog->db, "main", bytes, size, size,
                               SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
    catalog->in_memory = true;
    if (code != SQLITE_OK) {
        r = catalog_fail(catalog, code, "load the file");
        catalog_close(catalog);
        return r;
    }
    *ret_catalog = catalog;
    return 0;
}

static int open_copy(const char *path, struct catalog **ret_catalog)
{
    struct catalog_file image;
    int r = catalog_read_image(path, &image);

    if (r != 0)
        return r == -EBADMSG ? -EIO : r;
    return catalog_connect_bytes(path, image.bytes, image.size, ret_catalog);
}

int catalog_open_bytes(const char *path, const unsigned char *bytes, size_t length,
                       struct catalog **ret_catalog)
{
    unsigned char *own = sqlite3_malloc64(length);
    struct catalog *catalog = NULL;
    int r;

    if (own == NULL)
        return varve_fail(ENOMEM, "no memory to open the copy of catalog '%s'", path);
    memcpy(own, bytes, length);
    r = catalog_connect_bytes(path, own, (int64_t)length, &catalog);
    return finish_open(r, catalog, ret_catalog);
}

int catalog_open(const char *path, unsigned flags, struct catalog **ret_catalog)
{
    struct catalog *catalog = NULL;
    struct stat about;
    int r;

    if (stat(path, &about) != 0)
        return varve_fail(errno == ENOENT ? ENOENT : EIO, "cannot find catalog '%s': %s", path,
                          strerror(errno));
    /* SQLite takes an empty file for a new database: ours never is one. */
    if (about.st_size == 0)
        return varve_fail(EIO,
                          "catalog '%s' is damaged (the file is empty); move it away and open the "
                          "store again: the names of volumes are then rebuilt from the store",
                          path);
    r = (flags & CATALOG_READ_ONLY) != 0 ? open_copy(path, &catalog) : open_file(path, &catalog);
    return finish_open(r, catalog, ret_catalog);
}

int catalog_open_memory(struct catalog **ret_catalog)
{
    struct catalog *catalog = NULL;
    int r =
        connect_to(":memory:", ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &catalog);

    r = finish_open(r, catalog, ret_catalog);
    if (r == 0)
        catalog->in_memory = true;
    return r;
}

int catalog_sync_directory(const char *path)
{
    char *copy = strdup(path);
    int fd, r = 0;

    if (copy == NULL)
        return varve_fail(ENOMEM, "no memory to make catalog '%s'", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        r = varve_fail(errno == ENOSPC ? ENOSPC : EIO, "cannot sync the directory of '%s': %s",
                       path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(copy);
    return r;
}

static void remove_beside(const char *path, const char *suffix)
{
    char name[PATH_MAX];

    if (snprintf(name, sizeof name, "%s%s", path, suffix) < (int)sizeof name)
        (void)unlink(name);
}

/* Made here, because SQLite lets everybody read what it makes. */
static int fill_new(const char *file)
{
    struct catalog *catalog = NULL;
    int r, fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return varve_fail(errno == ENOSPC ? ENOSPC : EIO, "cannot make '%s': %s", file,
                          strerror(errno));
    close(fd);
    r = connect_to(file, file, SQLITE_OPEN_READWRITE, &catalog);
    if (r == 0)
        r = prepare_use(catalog);
    catalog_close(catalog);
    return r;
}

int catalog_create(const char *path)
{
    char file[PATH_MAX];
    int r;

    if (snprintf(file, sizeof file, "%s.new", path) >= (int)sizeof file - (int)sizeof "-journal")
        return varve_fail(ENAMETOOLONG, "the path '%.64s...' is too long for a catalog", path);
    remove_beside(file, "");
    remove_beside(file, "-journal");
    r = fill_new(file);
    /* Finished, but kept: see `settings`. */
    remove_beside(file, "-journal");
    if (r == 0) {
        /* What the lost file left to roll back would be rolled back into the new one. */
        remove_beside(path, "-journal");
        remove_beside(path, "-wal");
        if (rename(file, path) != 0)
            r = varve_fail(errno == ENOSPC ? ENOSPC : EIO, "cannot rename '%s' to '%s': %s", file,
                           path, strerror(errno));
    }
    if (r == 0)
        r = catalog_sync_directory(path);
    if (r != 0)
        remove_beside(file, "");
    return r;
}

int catalog_check(struct catalog *catalog, catalog_report report, void *opaque)
{
    int r;

    catalog_lock(catalog);
    r = catalog_verify_locked(catalog, "PRAGMA integrity_check(100)", report, opaque);
    catalog_unlock(catalog);
    return r;
}
