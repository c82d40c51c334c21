/*
 * Names last only when their directory is synced. The linker puts the functions below in place of
 * fsync and rename (see meson.build): they see in which order varve_init calls them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/server.h>

#include "check.h"
#include "scratch.h"

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

static struct {
    ino_t store, above;
    const char *path;
    unsigned renames;                /* into the store */
    bool store_synced, above_synced; /* since the last of them */
} seen;

int __wrap_fsync(int fd)
{
    struct stat about, store;

    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode) && seen.path != NULL &&
        stat(seen.path, &store) == 0) {
        seen.store_synced |= about.st_ino == store.st_ino;
        seen.above_synced |= about.st_ino == seen.above;
    }
    return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    seen.renames++;
    seen.store_synced = false;
    return __real_rename(from, to);
}

static void init_syncs_its_directories(void)
{
    struct varve_init_options options = {.limit = 64 << 20, .journal_size = 1 << 20};
    struct stat above;

    CHECK_EQ(stat(scratch(), &above), 0);
    seen.above = above.st_ino;
    seen.path = scratch_path("new");
    CHECK_EQ(varve_init(seen.path, &options), 0);
    CHECK(seen.renames > 0);
    CHECK(seen.store_synced);
    CHECK(seen.above_synced);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"init syncs its directories", init_syncs_its_directories}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
