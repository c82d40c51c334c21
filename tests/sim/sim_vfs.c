#include "sim_vfs.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 4, NAME_MAX_BYTES = 64, SECTOR = 512, FILE_MAX = 1 << 20 };

/* A change that no sync has covered. Without bytes it sets the size. */
struct change {
    size_t offset, length;
    unsigned char *bytes;
};

struct content {
    char name[NAME_MAX_BYTES];
    bool there;
    unsigned char *now, *durable; /* FILE_MAX bytes each */
    size_t size, durable_size;
    struct change *changes;
    size_t count, room;
};

struct open_file {
    sqlite3_file base; /* first */
    struct content *content;
};

static struct {
    struct sim_disk *disk;
    struct content files[FILES];
    int code;
    unsigned nth, struck;
    bool forever;
} vfs;

/* SQLITE_OK, or what the call fails with. `kind` is its own code for an I/O error; `full` whether
 * it takes space. */
static int call(int kind, bool full)
{
    if (sim_disk_is_dead(vfs.disk) ||
        (kind != SQLITE_IOERR_READ && kind != SQLITE_BUSY && sim_disk_event(vfs.disk) != 0))
        return kind == SQLITE_BUSY ? SQLITE_IOERR_LOCK : kind;
    if (vfs.nth == 0 || (vfs.code == SQLITE_FULL && !full) ||
        (vfs.code == SQLITE_BUSY) != (kind == SQLITE_BUSY))
        return SQLITE_OK;
    if (vfs.nth > 1) {
        vfs.nth--;
        return SQLITE_OK;
    }
    vfs.nth = vfs.forever ? 1 : 0;
    vfs.struck++;
    return vfs.code == SQLITE_IOERR_WRITE ? kind : vfs.code;
}

static struct content *content_of(sqlite3_file *file)
{
    return ((struct open_file *)file)->content;
}

static void apply(unsigned char *bytes, size_t *size, const struct change *change)
{
    if (change->bytes == NULL) {
        if (change->offset < *size)
            memset(bytes + change->offset, 0, *size - change->offset);
        *size = change->offset;
        return;
    }
    memcpy(bytes + change->offset, change->bytes, change->length);
    if (change->offset + change->length > *size)
        *size = change->offset + change->length;
}

static void remember(struct content *content, size_t offset, const void *bytes, size_t length)
{
    struct change change = {.offset = offset, .length = length};

    assert(offset + length <= FILE_MAX);
    if (content->count == content->room) {
        content->room = content->room * 2 + 16;
        content->changes = realloc(content->changes, content->room * sizeof(change));
        assert(content->changes != NULL);
    }
    if (bytes != NULL) {
        change.bytes = malloc(length + 1);
        assert(change.bytes != NULL);
        memcpy(change.bytes, bytes, length);
    }
    content->changes[content->count++] = change;
    apply(content->now, &content->size, &change);
}

static void forget_changes(struct content *content)
{
    for (size_t i = 0; i < content->count; i++)
        free(content->changes[i].bytes);
    content->count = 0;
}

/* What is behind the end is always zero. */
static void copy_bytes(unsigned char *to, size_t *to_size, const unsigned char *from, size_t size)
{
    memcpy(to, from, size);
    if (*to_size > size)
        memset(to + size, 0, *to_size - size);
    *to_size = size;
}

/* All changes from that one on did not happen. */
static void take_back(struct content *content, size_t from)
{
    while (content->count > from)
        free(content->changes[--content->count].bytes);
    copy_bytes(content->now, &content->size, content->durable, content->durable_size);
    for (size_t i = 0; i < content->count; i++)
        apply(content->now, &content->size, &content->changes[i]);
}

static void settle(struct content *content)
{
    copy_bytes(content->durable, &content->durable_size, content->now, content->size);
    forget_changes(content);
}

/* --- SQLite's side ---- */

static int file_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *buffer, int length, sqlite3_int64 offset)
{
    struct content *content = content_of(file);
    size_t at = (size_t)offset, wanted = (size_t)length, have = 0;
    int code = call(SQLITE_IOERR_READ, false);

    if (code != SQLITE_OK)
        return code;
    if (at < content->size)
        have = content->size - at < wanted ? content->size - at : wanted;
    memcpy(buffer, content->now + at, have);
    memset((char *)buffer + have, 0, wanted - have);
    return have == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset)
{
    struct content *content = content_of(file);
    size_t before = content->count;
    int code;

    /* under way it is in doubt already */
    remember(content, (size_t)offset, bytes, (size_t)length);
    code = call(SQLITE_IOERR_WRITE, true);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_IOERR)
        take_back(content, before); /* refused, and not begun */
    return code;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int code = call(SQLITE_IOERR_TRUNCATE, false);

    if (code == SQLITE_OK)
        remember(content_of(file), (size_t)size, NULL, 0);
    return code;
}

static int file_sync(sqlite3_file *file, int flags)
{
    int code = call(SQLITE_IOERR_FSYNC, false);

    (void)flags;
    if (code == SQLITE_OK)
        settle(content_of(file));
    return code;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    *ret_size = (sqlite3_int64)content_of(file)->size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return call(SQLITE_BUSY, false);
}

static int file_unlock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
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

static int file_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0; /* nothing is promised: no atomic writes, no order */
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static struct content *find(const char *name, bool make)
{
    struct content *free_one = NULL;

    for (int i = 0; i < FILES; i++) {
        if (vfs.files[i].there && strcmp(vfs.files[i].name, name) == 0)
            return &vfs.files[i];
        if (!vfs.files[i].there && free_one == NULL)
            free_one = &vfs.files[i];
    }
    if (!make)
        return NULL;
    assert(free_one != NULL);
    if (free_one->now == NULL) {
        free_one->now = calloc(1, FILE_MAX);
        free_one->durable = calloc(1, FILE_MAX);
        assert(free_one->now != NULL && free_one->durable != NULL);
    }
    memset(free_one->now, 0, FILE_MAX);
    memset(free_one->durable, 0, FILE_MAX);
    free_one->size = free_one->durable_size = 0;
    free_one->there = true;
    snprintf(free_one->name, sizeof(free_one->name), "%s", name);
    return free_one;
}

static int vfs_open(sqlite3_vfs *self, const char *path, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct open_file *open = (struct open_file *)file;

    (void)self;
    file->pMethods = NULL;
    if (path == NULL || sim_disk_is_dead(vfs.disk))
        return SQLITE_CANTOPEN;
    open->content = find(last_part(path), (flags & SQLITE_OPEN_CREATE) != 0);
    if (open->content == NULL)
        return SQLITE_CANTOPEN;
    file->pMethods = &methods;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *self, const char *path, int sync)
{
    struct content *content = find(last_part(path), false);
    int code = call(SQLITE_IOERR_DELETE, false);

    (void)self;
    (void)sync;
    if (code != SQLITE_OK || content == NULL)
        return code != SQLITE_OK ? code : SQLITE_IOERR_DELETE_NOENT;
    forget_changes(content);
    content->there = false;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *self, const char *path, int flags, int *ret_there)
{
    (void)self;
    (void)flags;
    *ret_there = find(last_part(path), false) != NULL;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *self, const char *path, int size, char *ret_path)
{
    (void)self;
    snprintf(ret_path, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *self, int length, char *bytes)
{
    (void)self;
    memset(bytes, 7, (size_t)length);
    return length;
}

static int vfs_sleep(sqlite3_vfs *self, int microseconds)
{
    (void)self;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *self, double *ret_days)
{
    (void)self;
    *ret_days = 2461000.5;
    return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *self, int size, char *text)
{
    (void)self;
    (void)size;
    (void)text;
    return 0;
}

static sqlite3_vfs simulated = {
    .iVersion = 1,
    .szOsFile = (int)sizeof(struct open_file),
    .mxPathname = 1024,
    .zName = "simulated",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_error,
};

/* --- the test's side ---- */

void sim_vfs_use(struct sim_disk *disk)
{
    vfs.disk = disk;
}

void sim_vfs_register(struct sim_disk *disk)
{
    int code = sqlite3_vfs_register(&simulated, 1);

    assert(code == SQLITE_OK);
    (void)code;
    sim_vfs_use(disk);
}

void sim_vfs_clear(void)
{
    for (int i = 0; i < FILES; i++) {
        forget_changes(&vfs.files[i]);
        vfs.files[i].there = false;
    }
}

void sim_vfs_put(const char *name, const void *bytes, size_t length)
{
    struct content *content = find(name, true);

    remember(content, 0, bytes, length);
    settle(content);
}

bool sim_vfs_get(const char *name, const unsigned char **ret_bytes, size_t *ret_length)
{
    const struct content *content = find(name, false);

    if (content == NULL || sim_disk_is_dead(vfs.disk))
        return false;
    *ret_bytes = content->now;
    *ret_length = content->size;
    return true;
}

/* One change, or the sectors of it that came to the disk. */
static void draw(struct content *content, const struct change *change, struct chance *chance)
{
    if (change->bytes == NULL || chance_hit(chance, 2, 3)) {
        apply(content->durable, &content->durable_size, change);
        return;
    }
    for (size_t at = 0, some; at < change->length; at += some) {
        struct change sector = {.offset = change->offset + at, .bytes = change->bytes + at};

        some = SECTOR - sector.offset % SECTOR;
        some = some < change->length - at ? some : change->length - at;
        sector.length = some;
        if (chance_hit(chance, 1, 2))
            apply(content->durable, &content->durable_size, &sector);
    }
}

void sim_vfs_reboot(enum sim_outcome outcome, struct chance *chance)
{
    for (int i = 0; i < FILES; i++) {
        struct content *content = &vfs.files[i];

        for (size_t k = 0; content->there && k < content->count; k++)
            if (outcome == SIM_ALL)
                apply(content->durable, &content->durable_size, &content->changes[k]);
            else if (outcome == SIM_SOME && chance_hit(chance, 1, 2))
                draw(content, &content->changes[k], chance);
        forget_changes(content);
        if (content->there) {
            copy_bytes(content->now, &content->size, content->durable, content->durable_size);
        }
    }
}

void sim_vfs_fail(int code, unsigned nth, bool forever)
{
    vfs.code = code;
    vfs.nth = nth;
    vfs.forever = forever;
    vfs.struck = 0;
}

unsigned sim_vfs_struck(void)
{
    return vfs.struck;
}
