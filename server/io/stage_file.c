#include "io/stage_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "varve/error.h"

enum { TRAILER = 4096, KEY_MAX = 64, BOOT_MAX = 40 };

/* The page behind the memory. Compared as a whole, written last. */
struct trailer {
    char magic[16];
    char key[KEY_MAX];
    char boot[BOOT_MAX];
    uint64_t length;
};

static const char in_store[] = "stage"; /* its name when it lies in the store's directory */

/* Where a file may lie. */
struct place {
    int dir; /* -1: not there, or of no use */
    char name[80];
};
enum { BY_ENVIRONMENT, IN_SHM, IN_STORE, PLACES };

void stage_file_init(struct stage_file *stage)
{
    *stage = (struct stage_file){.dir = -1};
}

static int make_trailer(int journal, size_t length, struct trailer *ret_trailer)
{
    struct trailer trailer = {.magic = "varve stage 1", .length = length};
    struct statx file;
    int boot;

    if (statx(journal, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &file) != 0)
        return varve_fail(errno, "cannot look at the journal: %s", strerrordesc_np(errno));
    snprintf(trailer.key, sizeof(trailer.key), "%x-%x-%llx-%llx", file.stx_dev_major,
             file.stx_dev_minor, (unsigned long long)file.stx_ino,
             file.stx_mask & STATX_BTIME ? (unsigned long long)file.stx_btime.tv_sec : 0);
    boot = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (boot < 0 || read(boot, trailer.boot, sizeof(trailer.boot) - 1) <= 0)
        trailer.boot[0] = '\0'; /* then a tmpfs is as good as its being empty after a boot */
    if (boot >= 0)
        close(boot);
    *ret_trailer = trailer;
    return 0;
}

static bool is_tmpfs(int dir)
{
    struct statfs below;

    return fstatfs(dir, &below) == 0 && below.f_type == TMPFS_MAGIC;
}

static void find_places(struct place *places, int store, const char *key)
{
    const char *wish = getenv("VARVE_STAGE_DIR");
    const int how = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

    places[BY_ENVIRONMENT].dir = wish == NULL || wish[0] == '\0' ? -1 : open(wish, how);
    places[IN_SHM].dir = open("/dev/shm", how);
    places[IN_STORE].dir = openat(store, ".", how);
    if (places[IN_SHM].dir >= 0 &&
        (!is_tmpfs(places[IN_SHM].dir) ||
         faccessat(AT_FDCWD, "/dev/shm", W_OK | X_OK, AT_EACCESS) != 0)) {
        close(places[IN_SHM].dir);
        places[IN_SHM].dir = -1;
    }
    for (int i = 0; i < PLACES; i++)
        snprintf(places[i].name, sizeof(places[i].name), "varve-%s", key);
    snprintf(places[IN_STORE].name, sizeof(places[IN_STORE].name), "%s", in_store);
}

/* Is the last page of the file the trailer of this store and boot, and its length the file's? A
 * server with other defaults leaves another length. */
static bool is_ours(int descriptor, off_t size, const struct trailer *wanted)
{
    struct trailer trailer;
    off_t at = size - TRAILER;

    if (at <= 0 || pread(descriptor, &trailer, sizeof(trailer), at) != sizeof(trailer) ||
        trailer.length != (uint64_t)at)
        return false;
    trailer.length = wanted->length;
    return memcmp(&trailer, wanted, sizeof(trailer)) == 0;
}

/* 1, a descriptor and the memory's length when the place has the file, 0 when it has none or one of
 * another store or boot, which is then removed. */
static int look_for(const struct place *place, const struct trailer *wanted, bool read_only,
                    int *ret_descriptor, size_t *ret_length)
{
    struct stat file;
    int descriptor = openat(place->dir, place->name,
                            (read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (descriptor < 0 && errno == ENOENT)
        return 0;
    if (descriptor < 0 || fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode) ||
        file.st_uid != geteuid() || (file.st_mode & 077) != 0) {
        if (descriptor >= 0)
            close(descriptor);
        return varve_fail(
            EPERM,
            "%s, where the store's memory should be, is not a private file of user %ld; "
            "look at it and remove it",
            place->name, (long)geteuid());
    }
    if (is_ours(descriptor, file.st_size, wanted)) {
        *ret_length = (size_t)(file.st_size - TRAILER);
        *ret_descriptor = descriptor;
        return 1;
    }
    close(descriptor);
    if (!read_only)
        unlinkat(place->dir, place->name, 0);
    return 0;
}

/* Zero-filled, with all its space: otherwise a full file system shows as SIGBUS. */
static int fill(int descriptor, const struct trailer *trailer)
{
    static const char zeroes[65536];
    size_t length = trailer->length + TRAILER, some;

    if (fallocate(descriptor, 0, 0, (off_t)length) != 0) {
        if (errno != EOPNOTSUPP)
            return -errno;
        for (size_t at = 0; at < length; at += some) {
            some = length - at < sizeof(zeroes) ? length - at : sizeof(zeroes);
            if (pwrite(descriptor, zeroes, some, (off_t)at) != (ssize_t)some)
                return -ENOSPC;
        }
    }
    if (pwrite(descriptor, trailer, sizeof(*trailer), (off_t)trailer->length) != sizeof(*trailer))
        return -EIO;
    return 0;
}

static int make(const struct place *place, const struct trailer *trailer, int *ret_descriptor)
{
    int rc, descriptor = openat(place->dir, place->name,
                                O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (descriptor < 0)
        return -errno;
    rc = fill(descriptor, trailer);
    if (rc == 0) {
        *ret_descriptor = descriptor;
        return 0;
    }
    unlinkat(place->dir, place->name, 0);
    close(descriptor);
    return rc;
}

/* Sets the place and its descriptor; 1 and the length when found, 0 when made. */
static int find_or_make(const struct place *places, const struct trailer *trailer, bool read_only,
                        const struct place **ret_place, int *ret_descriptor, size_t *ret_length)
{
    const char *wish = getenv("VARVE_STAGE_DIR");
    bool wished = wish != NULL && wish[0] != '\0';
    int rc = -ENOENT;

    for (const struct place *place = places; place < places + PLACES; place++) {
        rc = place->dir < 0 ? 0 : look_for(place, trailer, read_only, ret_descriptor, ret_length);
        *ret_place = place;
        if (rc != 0)
            return rc;
    }
    if (read_only)
        return 0;
    rc = -ENOENT;
    for (const struct place *place = places; rc != 0 && place < places + PLACES; place++) {
        if (place->dir < 0)
            continue;
        if (wished && place > places)
            break; /* who names a place does not want another */
        rc = make(place, trailer, ret_descriptor);
        *ret_place = place;
    }
    if (rc == 0)
        return 0;
    return varve_fail(
        -rc,
        "cannot make the store's memory (%llu bytes) in %s: %s; VARVE_STAGE_DIR names "
        "another directory",
        (unsigned long long)trailer->length, wished ? wish : "/dev/shm or the store's directory",
        strerrordesc_np(-rc));
}

static int map(struct stage_file *stage, int descriptor, bool read_only, size_t length)
{
    int flags = read_only ? MAP_PRIVATE : MAP_SHARED;
    void *memory;

    if (descriptor < 0)
        flags |= MAP_ANONYMOUS;
    memory = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, descriptor, 0);
    if (memory == MAP_FAILED)
        return varve_fail(errno, "cannot map the store's memory (%zu bytes): %s", length,
                          strerrordesc_np(errno));
    stage->memory = memory;
    stage->length = length;
    return 0;
}

int stage_file_open(struct stage_file *stage, int store, const char *path, int journal,
                    bool read_only, size_t length, void **ret_memory, size_t *ret_found)
{
    struct place places[PLACES];
    const struct place *place = NULL;
    struct trailer trailer;
    int descriptor = -1, found, rc;

    assert((stage->memory == NULL || stage->dir < 0) && length > 0);
    stage_file_close(stage);
    rc = make_trailer(journal, length, &trailer);
    if (rc < 0)
        return rc;
    find_places(places, store, trailer.key);
    found = rc = find_or_make(places, &trailer, read_only, &place, &descriptor, &length);
    if (rc >= 0)
        rc = map(stage, descriptor, read_only, length);
    if (rc == 0) {
        if (!read_only) {
            stage->dir = fcntl(place->dir, F_DUPFD_CLOEXEC, 0);
            snprintf(stage->name, sizeof(stage->name), "%s", place->name);
        }
        *ret_memory = stage->memory;
        *ret_found = found != 0 ? length : 0;
    } else if (found == 0 && descriptor >= 0) {
        unlinkat(place->dir, place->name, 0);
    }
    if (descriptor >= 0)
        close(descriptor);
    for (int i = 0; i < PLACES; i++)
        if (places[i].dir >= 0)
            close(places[i].dir);
    (void)path;
    return rc;
}

void stage_file_unlink(struct stage_file *stage)
{
    if (stage->dir < 0)
        return;
    unlinkat(stage->dir, stage->name, 0);
    close(stage->dir);
    stage->dir = -1;
}

void stage_file_close(struct stage_file *stage)
{
    if (stage->memory != NULL)
        munmap(stage->memory, stage->length);
    if (stage->dir >= 0)
        close(stage->dir);
    stage_file_init(stage);
}
