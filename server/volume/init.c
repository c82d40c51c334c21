/*
 * Making a store. It is built whole in DIR/.init and then moved up, `extents` last: that rename is
 * the moment from which DIR is a store. What a crash leaves before it is removed by the next init.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <varve/error.h>
#include <varve/server.h>

#include "catalog/catalog.h"
#include "io/io_file.h"
#include "store/store.h"
#include "volume/init_device.h"
#include "volume/volume_name.h"

enum {
    JOURNAL_DEFAULT = 64 << 20, /* bytes */
    JOURNAL_SHARE = 16,         /* and at most this part of the store */
    LIMIT_FACTOR = 4,           /* file systems are grown, and space is given back */
    BLOCK = 4096,
};

struct birth {
    const char *dir;
    bool made_dir;
    char inside[PATH_MAX]; /* DIR/.init */
};

static const char *const parts[] = {"journal", "catalog.db", "extents"};

static int fail_at(const char *doing, const char *path)
{
    int errnum = errno;

    return varve_fail(errnum, "cannot %s '%s': %s", doing, path, strerror(errnum));
}

static void remove_file(const char *dir, const char *name)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
        (void)unlink(path);
}

/* Of an init that did not end: no store, since `extents` is moved last. */
static void remove_remains(const struct birth *birth)
{
    static const char *const inner[] = {"catalog.db", "catalog.db-journal", "catalog.db.new",
                                        "catalog.db.new-journal"};

    io_remove(birth->inside);
    for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
        remove_file(birth->inside, inner[i]);
    (void)rmdir(birth->inside);
    remove_file(birth->dir, "journal");
    remove_file(birth->dir, "catalog.db");
}

/* An empty file system has lost+found. */
static int check_empty(const struct birth *birth)
{
    bool unfinished = access(birth->inside, F_OK) == 0;
    DIR *stream = opendir(birth->dir);
    struct dirent *entry;
    int r = 0;

    if (stream == NULL)
        return fail_at("open directory", birth->dir);
    if (faccessat(dirfd(stream), "extents", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        r = varve_fail(EEXIST, "'%s' holds a store already", birth->dir);
    while (r == 0 && (entry = readdir(stream)) != NULL) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0)
            continue;
        if (!unfinished || (strcmp(name, ".init") != 0 && strcmp(name, "journal") != 0 &&
                            strcmp(name, "catalog.db") != 0))
            r = varve_fail(ENOTEMPTY, "'%s' is not empty (there is '%s'); name a new directory",
                           birth->dir, show_text(name).text);
    }
    closedir(stream);
    return r;
}

static int begin(struct birth *birth)
{
    int r;

    if (snprintf(birth->inside, sizeof birth->inside, "%s/.init", birth->dir) >=
        (int)sizeof birth->inside - (int)sizeof "/catalog.db.new-journal")
        return varve_fail(ENAMETOOLONG, "the path of the store is too long: '%.64s...'",
                          birth->dir);
    birth->made_dir = mkdir(birth->dir, 0700) == 0;
    if (!birth->made_dir && errno != EEXIST)
        return fail_at("make directory", birth->dir);
    r = check_empty(birth);
    if (r == 0 && !birth->made_dir)
        remove_remains(birth);
    return r;
}

static int default_limit(const char *dir, uint64_t *ret_limit)
{
    struct statvfs about;

    if (statvfs(dir, &about) != 0)
        return fail_at("look at the file system of", dir);
    *ret_limit = (uint64_t)about.f_bavail * about.f_frsize * LIMIT_FACTOR;
    return 0;
}

static int choose_limit(const struct birth *birth, const struct varve_init_options *options,
                        uint64_t *ret_limit)
{
    uint64_t limit = options->limit, room = 0;
    int r = 0;

    if (options->device != NULL)
        r = init_device_check(options->device, options->force, &room);
    if (r == 0 && limit == 0 && options->device == NULL)
        r = default_limit(birth->dir, &limit);
    if (r != 0)
        return r;
    if (limit == 0)
        limit = room;
    if (options->device != NULL && limit > room)
        return varve_fail(EINVAL,
                          "the limit of %" PRIu64 " bytes is more than the %" PRIu64
                          " bytes of device '%s'",
                          limit, room, options->device);
    limit -= limit % BLOCK;
    if (limit < STORE_LIMIT_MIN)
        return varve_fail(EINVAL,
                          "a store needs at least %" PRIu64 " bytes, and the limit is %" PRIu64,
                          STORE_LIMIT_MIN, limit);
    *ret_limit = limit;
    return 0;
}

static int choose_journal(uint64_t asked, uint64_t limit, uint64_t *ret_journal)
{
    uint64_t journal = asked;

    if (journal == 0) {
        journal = limit / JOURNAL_SHARE < JOURNAL_DEFAULT ? limit / JOURNAL_SHARE : JOURNAL_DEFAULT;
        journal -= journal % BLOCK;
        if (journal < STORE_JOURNAL_MIN)
            journal = STORE_JOURNAL_MIN;
    }
    if (journal < STORE_JOURNAL_MIN || journal % BLOCK != 0)
        return varve_fail(
            EINVAL, "a journal has at least %" PRIu64 " bytes and a multiple of %d, not %" PRIu64,
            STORE_JOURNAL_MIN, (int)BLOCK, journal);
    *ret_journal = journal;
    return 0;
}

static int build(const struct birth *birth, const char *device, uint64_t limit, uint64_t journal)
{
    struct store_geometry geometry = {.limit = limit, .journal = journal};
    char catalog[PATH_MAX + 16];
    struct io *io = NULL;
    int r = io_create(birth->inside, device, journal);

    if (r == 0)
        r = io_open(birth->inside, 0, &io);
    if (r == 0)
        r = store_format(io, &geometry);
    io_close(io);
    snprintf(catalog, sizeof catalog, "%s/catalog.db", birth->inside);
    return r == 0 ? catalog_create(catalog) : r;
}

static int move_up(const struct birth *birth, const char *name)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];

    snprintf(from, sizeof from, "%s/%s", birth->inside, name);
    snprintf(to, sizeof to, "%s/%s", birth->dir, name);
    return rename(from, to) == 0 ? 0 : fail_at("move up", from);
}

static int sync_directory(const char *path)
{
    int r = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        r = fail_at("sync directory", path);
    if (fd >= 0)
        close(fd);
    return r;
}

static int finish(const struct birth *birth)
{
    char above[PATH_MAX + 16];
    int r = 0;

    remove_file(birth->inside, "catalog.db-journal");
    remove_file(birth->inside, "lock");
    for (size_t i = 0; r == 0 && i < sizeof parts / sizeof parts[0]; i++)
        r = move_up(birth, parts[i]);
    if (r != 0)
        return r;
    io_remove(birth->inside);
    (void)rmdir(birth->inside);
    snprintf(above, sizeof above, "%s/..", birth->dir);
    r = sync_directory(birth->dir);
    return r == 0 && birth->made_dir ? sync_directory(above) : r;
}

int varve_init(const char *dir, const struct varve_init_options *options)
{
    struct birth birth = {.dir = dir};
    uint64_t limit = 0, journal = 0;
    char line[512];
    int r;

    if (dir[0] == '\0')
        return varve_fail(EINVAL, "no directory was named for the store");
    r = begin(&birth);
    if (r != 0)
        return r;
    r = choose_limit(&birth, options, &limit);
    if (r == 0)
        r = choose_journal(options->journal_size, limit, &journal);
    if (r == 0)
        r = build(&birth, options->device, limit, journal);
    if (r == 0)
        r = finish(&birth);
    if (r == 0)
        return 0;
    snprintf(line, sizeof line, "%s", varve_error());
    remove_file(dir, "extents");
    remove_remains(&birth);
    if (birth.made_dir)
        (void)rmdir(dir);
    return varve_fail(-r, "%s", line);
}
