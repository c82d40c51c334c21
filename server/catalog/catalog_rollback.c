/*
 * What a crash left of a catalog is rolled back by SQLite itself, on files that are in memory: the
 * store's own must not be changed by one who only reads, and copies of them elsewhere would stay
 * behind when this process dies, too.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

#define DATABASE "catalog.db" /* no path: found nowhere but here */

struct rollback {
    sqlite3_vfs vfs;
    char name[48];
    struct catalog_file database, journal;
    bool journal_is_gone;
};

struct memory_file {
    sqlite3_file base;
    struct catalog_file *memory;
};

static struct catalog_file *memory_of(sqlite3_file *file)
{
    return ((struct memory_file *)file)->memory;
}

static int resize(struct catalog_file *memory, int64_t size)
{
    if (size > memory->size) {
        unsigned char *bytes = sqlite3_realloc64(memory->bytes, (sqlite3_uint64)size);

        if (bytes == NULL)
            return SQLITE_IOERR_NOMEM;
        memset(bytes + memory->size, 0, (size_t)(size - memory->size));
        memory->bytes = bytes;
    }
    memory->size = size;
    return SQLITE_OK;
}

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *to, int length, sqlite3_int64 offset)
{
    const struct catalog_file *memory = memory_of(file);
    int64_t there = memory->size > offset ? memory->size - offset : 0;

    if (there >= length) {
        memcpy(to, memory->bytes + offset, (size_t)length);
        return SQLITE_OK;
    }
    memset(to, 0, (size_t)length);
    if (there > 0)
        memcpy(to, memory->bytes + offset, (size_t)there);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *from, int length, sqlite3_int64 offset)
{
    struct catalog_file *memory = memory_of(file);
    int code = offset + length > memory->size ? resize(memory, offset + length) : SQLITE_OK;

    if (code == SQLITE_OK)
        memcpy(memory->bytes + offset, from, (size_t)length);
    return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return resize(memory_of(file), size);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    *ret_size = memory_of(file)->size;
    return SQLITE_OK;
}

static int file_ignore(sqlite3_file *file, int what)
{
    (void)file;
    (void)what;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *file, int *ret_reserved)
{
    (void)file;
    *ret_reserved = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
    (void)file;
    return 512;
}

static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_ignore,
    .xFileSize = file_size,
    .xLock = file_ignore,
    .xUnlock = file_ignore,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct rollback *rollback = self->pAppData;
    struct memory_file *opened = (struct memory_file *)file;

    (void)path;
    *opened = (struct memory_file){.base = {NULL}};
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
        opened->memory = &rollback->database;
    else if ((flags & SQLITE_OPEN_MAIN_JOURNAL) != 0 && !rollback->journal_is_gone)
        opened->memory = &rollback->journal;
    else
        return SQLITE_CANTOPEN;
    opened->base.pMethods = &file_methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static bool is_journal(const struct rollback *rollback, const char *path)
{
    return !rollback->journal_is_gone && strcmp(path, DATABASE "-journal") == 0;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync)
{
    struct rollback *rollback = self->pAppData;

    (void)sync;
    if (!is_journal(rollback, path))
        return SQLITE_IOERR_DELETE_NOENT;
    rollback->journal_is_gone = true;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *self, const char *path, int flags, int *ret_there)
{
    (void)flags;
    *ret_there = strcmp(path, DATABASE) == 0 || is_journal(self->pAppData, path);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *self, const char *path, int size, char *ret_path)
{
    (void)self;
    return snprintf(ret_path, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* Time, sleep and chance are those of the system's own VFS, which needs nothing of itself for them.
 */
static int register_vfs(struct rollback *rollback)
{
    rollback->vfs = *sqlite3_vfs_find(NULL);
    snprintf(rollback->name, sizeof rollback->name, "varve-rollback-%p", (void *)rollback);
    rollback->vfs.zName = rollback->name;
    rollback->vfs.pNext = NULL;
    rollback->vfs.pAppData = rollback;
    rollback->vfs.szOsFile = (int)sizeof(struct memory_file);
    rollback->vfs.xOpen = vfs_open;
    rollback->vfs.xDelete = vfs_delete;
    rollback->vfs.xAccess = vfs_access;
    rollback->vfs.xFullPathname = vfs_full_path;
    return sqlite3_vfs_register(&rollback->vfs, 0);
}

static int fail(const char *path, sqlite3 *db, int code)
{
    int plain = code & 0xff;

    return varve_fail(code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM  ? ENOMEM
                      : plain == SQLITE_CORRUPT || plain == SQLITE_NOTADB ? EBADMSG
                                                                          : EIO,
                      "cannot roll back what a crash left of catalog '%s': %s", path,
                      db == NULL ? "no memory" : sqlite3_errmsg(db));
}

int catalog_roll_back(const char *path, struct catalog_file *image, struct catalog_file *journal)
{
    struct rollback rollback = {.database = *image, .journal = *journal};
    sqlite3 *db = NULL;
    int r = 0, code = register_vfs(&rollback);

    if (code == SQLITE_OK) {
        code = sqlite3_open_v2(DATABASE, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                               rollback.name);
        /* The first read finds the journal. */
        if (code == SQLITE_OK)
            code = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
        if (code != SQLITE_OK)
            r = fail(path, db, sqlite3_extended_errcode(db));
        (void)sqlite3_close(db);
        (void)sqlite3_vfs_unregister(&rollback.vfs);
    } else {
        r = fail(path, NULL, SQLITE_NOMEM);
    }
    *image = rollback.database;
    *journal = rollback.journal;
    return r;
}
