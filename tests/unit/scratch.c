#include "scratch.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/io_file.h"
#include "varve/error.h"

static char directory[256];
static pid_t owner;

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void remove_scratch(void)
{
    if (getpid() == owner) /* not by a child that ends */
        nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void end(int number)
{
    remove_scratch();
    _exit(128 + number);
}

const char *scratch(void)
{
    const char *top = getenv("TMPDIR");

    if (owner != 0)
        return directory;
    snprintf(directory, sizeof(directory), "%s/varve.XXXXXX", top != NULL ? top : "/tmp");
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        exit(2);
    }
    owner = getpid();
    atexit(remove_scratch);
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGABRT, end);
    setenv("VARVE_STAGE_DIR", directory, 1);
    return directory;
}

const char *scratch_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch(), name);
    return path;
}

const char *scratch_store(uint64_t journal_size)
{
    static unsigned count;
    char name[32];
    const char *path;

    snprintf(name, sizeof(name), "store%u", count++);
    path = scratch_path(name);
    if (io_create(path, NULL, journal_size) != 0) {
        fprintf(stderr, "%s\n", varve_error());
        exit(2);
    }
    return path;
}
