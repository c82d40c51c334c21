#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_file.h"
#include "varve/error.h"

enum { FILL_AT_ONCE = 1 << 20 };

static const char *const names[] = {"extents", "journal", "lock", "stage"};

/* What was made so far, so that a failure takes back that and nothing else. */
struct progress {
    const char *path; /* of the directory */
    int dir;
    bool made_dir, made_extents, made_journal;
};

static int failed(const struct progress *progress, const char *what, const char *name)
{
    return varve_fail(errno, "cannot %s %s%s%s: %s", what, progress->path,
                      name[0] != '\0' ? "/" : "", name, strerrordesc_np(errno));
}

static int open_dir(struct progress *progress)
{
    progress->made_dir = mkdir(progress->path, 0700) == 0;
    if (!progress->made_dir && errno != EEXIST)
        return failed(progress, "make directory", "");
    progress->dir = open(progress->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return progress->dir < 0 ? failed(progress, "open directory", "") : 0;
}

/* A relative name would mean something else from inside the directory. */
static int make_link(struct progress *progress, const char *device)
{
    char *here = device[0] == '/' ? NULL : realpath(device, NULL);
    const char *target = device[0] == '/' ? device : here;
    struct stat found;
    int rc = 0, probe = -1;

    if (target == NULL || stat(target, &found) != 0)
        rc = varve_fail(errno, "cannot find device %s: %s", device, strerrordesc_np(errno));
    else if (!S_ISBLK(found.st_mode))
        rc = varve_fail(ENOTBLK, "%s is not a block device", device);
    else if ((probe = open(target, O_RDWR | O_EXCL | O_CLOEXEC)) < 0)
        rc = errno == EBUSY
                 ? varve_fail(EBUSY,
                              "device %s is in use: mounted, part of another device, or "
                              "opened by another program",
                              device)
                 : varve_fail(errno, "cannot open device %s: %s", device, strerrordesc_np(errno));
    else if (symlinkat(target, progress->dir, "extents") != 0)
        rc = failed(progress, "make", "extents");
    else
        progress->made_extents = true;
    if (probe >= 0)
        close(probe);
    free(here);
    return rc;
}

static int make_extents(struct progress *progress)
{
    int rc = 0,
        descriptor = openat(progress->dir, "extents", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (descriptor < 0)
        return failed(progress, "make", "extents");
    progress->made_extents = true;
    if (fsync(descriptor) != 0)
        rc = failed(progress, "sync", "extents");
    close(descriptor);
    return rc;
}

/* The zeroes are written and not only allocated: a write to a block that was never written changes
 * the file system's own metadata, and every sync of the journal would have to wait for that too. */
static int fill(const struct progress *progress, int descriptor, uint64_t size)
{
    char *zeroes;
    size_t some;
    ssize_t written = 0;

    if (fallocate(descriptor, 0, 0, (off_t)size) != 0 && errno != EOPNOTSUPP)
        return failed(progress, "get the space of", "journal");
    zeroes = calloc(1, FILL_AT_ONCE);
    if (zeroes == NULL)
        return varve_fail(ENOMEM, "no memory to fill %s/journal", progress->path);
    for (uint64_t at = 0; written >= 0 && at < size; at += (uint64_t)written) {
        some = size - at < FILL_AT_ONCE ? (size_t)(size - at) : FILL_AT_ONCE;
        written = pwrite(descriptor, zeroes, some, (off_t)at);
        if (written < 0 && errno == EINTR)
            written = 0;
    }
    free(zeroes);
    return written < 0 ? failed(progress, "fill", "journal") : 0;
}

static int make_journal(struct progress *progress, uint64_t size)
{
    int rc,
        descriptor = openat(progress->dir, "journal", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (descriptor < 0)
        return failed(progress, "make", "journal");
    progress->made_journal = true;
    rc = fill(progress, descriptor, size);
    if (rc == 0 && fsync(descriptor) != 0)
        rc = failed(progress, "sync", "journal");
    close(descriptor);
    return rc;
}

/* The directory, and the one above it, where a new directory's name stands. */
static int sync_names(const struct progress *progress)
{
    int rc = 0, above = openat(progress->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fsync(progress->dir) != 0)
        rc = failed(progress, "sync directory", "");
    else if (progress->made_dir && (above < 0 || fsync(above) != 0))
        rc = failed(progress, "sync the directory above", "");
    if (above >= 0)
        close(above);
    return rc;
}

int io_create(const char *dir, const char *device, uint64_t journal_size)
{
    struct progress progress = {.path = dir, .dir = -1};
    int rc = open_dir(&progress);

    if (rc == 0)
        rc = device != NULL ? make_link(&progress, device) : make_extents(&progress);
    if (rc == 0)
        rc = make_journal(&progress, journal_size);
    if (rc == 0)
        rc = sync_names(&progress);
    if (rc < 0 && progress.made_journal)
        unlinkat(progress.dir, "journal", 0);
    if (rc < 0 && progress.made_extents)
        unlinkat(progress.dir, "extents", 0);
    if (rc < 0 && progress.made_dir)
        rmdir(dir);
    if (progress.dir >= 0)
        close(progress.dir);
    return rc;
}

void io_remove(const char *dir)
{
    int descriptor = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (descriptor < 0)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlinkat(descriptor, names[i], 0);
    close(descriptor);
}
