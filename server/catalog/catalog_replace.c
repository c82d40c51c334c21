/* Another file in the place of catalog.db; what was there is kept. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

enum { SAME_SECOND_MAX = 10000 };

_Static_assert(CATALOG_ASIDE_MAX > PATH_MAX + 64, "a path with its suffixes has room");

static int fail_at(const char *doing, const char *path)
{
    int errnum = errno;

    return varve_fail(errnum == ENOSPC ? ENOSPC : EIO, "cannot %s '%s': %s", doing, path,
                      strerror(errnum));
}

/* The file goes before its journal: a file that is half changed must never stand without it. */
static int move_both(const char *path, const char *aside)
{
    char journal[CATALOG_ASIDE_MAX], journal_aside[CATALOG_ASIDE_MAX + 16];

    snprintf(journal, sizeof journal, "%s-journal", path);
    snprintf(journal_aside, sizeof journal_aside, "%s-journal", aside);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_at("move away", path);
    if (rename(journal, journal_aside) != 0 && errno != ENOENT)
        return fail_at("move away", journal);
    return 0;
}

int catalog_set_aside(const char *path, char ret_aside[CATALOG_ASIDE_MAX])
{
    long long now = (long long)time(NULL);
    int r = -1;

    if (strlen(path) >= PATH_MAX)
        return varve_fail(ENAMETOOLONG, "the path '%.64s...' is too long for a catalog", path);
    for (int i = 0; r != 0 && i < SAME_SECOND_MAX; i++) {
        if (i == 0)
            snprintf(ret_aside, CATALOG_ASIDE_MAX, "%s.damaged-%lld", path, now);
        else
            snprintf(ret_aside, CATALOG_ASIDE_MAX, "%s.damaged-%lld-%d", path, now, i);
        r = link(path, ret_aside);
        if (r != 0 && errno != EEXIST)
            break;
    }
    if (r != 0 && errno != ENOENT)
        return fail_at("keep a second name for", path);
    r = move_both(path, ret_aside);
    if (access(ret_aside, F_OK) != 0)
        ret_aside[0] = '\0';
    return r == 0 ? catalog_sync_directory(path) : r;
}

static int write_synced(const char *file, const unsigned char *bytes, size_t length)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t done = 0;
    int r = 0;

    if (fd < 0)
        return fail_at("make", file);
    while (r == 0 && done < length) {
        ssize_t n = write(fd, bytes + done, length - done);

        if (n < 0 && errno != EINTR)
            r = fail_at("write", file);
        else if (n > 0)
            done += (size_t)n;
    }
    if (r == 0 && fsync(fd) != 0)
        r = fail_at("sync", file);
    close(fd);
    return r;
}

static int verify_written(const char *file)
{
    struct catalog_verdict verdict;
    int r = catalog_judge(file, NULL, &verdict);

    if (r != 0)
        return r;
    catalog_bytes_free(verdict.bytes);
    return verdict.soundness == CATALOG_SOUND
               ? 0
               : varve_fail(EIO, "the copy of the catalog in the store is damaged (%s)",
                            verdict.problem);
}

int catalog_replace(const char *path, const unsigned char *bytes, size_t length,
                    char ret_aside[CATALOG_ASIDE_MAX])
{
    char file[CATALOG_ASIDE_MAX], journal[CATALOG_ASIDE_MAX + 16];
    int r;

    if (strlen(path) >= PATH_MAX)
        return varve_fail(ENAMETOOLONG, "the path '%.64s...' is too long for a catalog", path);
    snprintf(file, sizeof file, "%s.new", path);
    snprintf(journal, sizeof journal, "%s-journal", file);
    (void)unlink(journal); /* of a catalog that did not get made */
    (void)unlink(file);
    r = write_synced(file, bytes, length);
    if (r == 0)
        r = verify_written(file);
    if (r == 0)
        r = catalog_set_aside(path, ret_aside);
    if (r == 0 && rename(file, path) != 0)
        r = fail_at("rename", file);
    if (r == 0)
        r = catalog_sync_directory(path);
    if (r != 0)
        (void)unlink(file);
    return r;
}
