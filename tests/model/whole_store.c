#include "whole_store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>
#include <varve/server.h>

#include "catalog/catalog_connection.h"
#include "sim_vfs.h"
#include "store/store.h"

enum { MIB = 1 << 20 };

int __wrap_io_open(const char *directory, unsigned flags, struct io **ret_io);
void __wrap_io_close(struct io *io);
int __wrap_catalog_read_image(const char *path, struct catalog_file *ret_image);
int __wrap_catalog_replace(const char *path, const unsigned char *bytes, size_t length,
                           char ret_aside[CATALOG_ASIDE_MAX]);

static struct {
    char folder[64];
    unsigned char *catalog; /* an empty one */
    size_t catalog_length;
    struct sim_disk *empty; /* a formatted store */
    struct sim_disk *disk;
} whole;

int __wrap_io_open(const char *directory, unsigned flags, struct io **ret_io)
{
    (void)directory;
    (void)flags;
    *ret_io = sim_disk_io(whole.disk);
    return 0;
}

void __wrap_io_close(struct io *io)
{
    (void)io;
}

static int read_file(const char *path, struct catalog_file *ret_file)
{
    const char *slash = strrchr(path, '/');
    const unsigned char *bytes;
    size_t length;

    if (!sim_vfs_get(slash + 1, &bytes, &length))
        return sim_disk_is_dead(whole.disk) ? varve_fail(EIO, "the disk is dead") : -ENOENT;
    ret_file->bytes = sqlite3_malloc64(length + 1);
    assert(ret_file->bytes != NULL);
    memcpy(ret_file->bytes, bytes, length);
    ret_file->size = (int64_t)length;
    return 0;
}

/* As catalog_image.c reads the files, from the simulated disk. */
int __wrap_catalog_read_image(const char *path, struct catalog_file *ret_image)
{
    struct catalog_file image = {.bytes = NULL}, journal = {.bytes = NULL};
    char journal_path[128];
    int rc = read_file(path, &image);

    if (rc != 0)
        return rc;
    snprintf(journal_path, sizeof(journal_path), "%s-journal", path);
    rc = read_file(journal_path, &journal);
    if (rc == -ENOENT || (rc == 0 && (journal.size == 0 || journal.bytes[0] == 0)))
        rc = 0;
    else if (rc == 0)
        rc = catalog_roll_back(path, &image, &journal);
    sqlite3_free(journal.bytes);
    if (rc == 0)
        *ret_image = image;
    else
        sqlite3_free(image.bytes);
    return rc;
}

int __wrap_catalog_replace(const char *path, const unsigned char *bytes, size_t length,
                           char ret_aside[CATALOG_ASIDE_MAX])
{
    (void)bytes;
    (void)length;
    ret_aside[0] = '\0';
    return varve_fail(EPROTO, "the catalog '%s' was to be restored from its copy", path);
}

/* The catalog is made by the real thing in a real folder. */
int whole_store_prepare(void)
{
    struct store_geometry geometry = {.limit = 16 * MIB, .journal = MIB};
    struct sim_options options = {.seed = 1, .journal_size = MIB};
    const char *base = getenv("TMPDIR");
    char path[96];
    FILE *file;
    int rc;

    snprintf(whole.folder, sizeof(whole.folder), "%s/histories.XXXXXX", base ? base : "/tmp");
    if (mkdtemp(whole.folder) == NULL)
        return varve_fail(errno, "no folder '%s' can be made", whole.folder);
    snprintf(path, sizeof(path), "%s/catalog.db", whole.folder);
    whole.disk = whole.empty = sim_disk_new(&options);
    rc = catalog_create(path);
    if (rc != 0)
        return rc;
    whole.catalog = calloc(1, MIB);
    file = fopen(path, "rb");
    assert(whole.catalog != NULL && file != NULL);
    whole.catalog_length = fread(whole.catalog, 1, MIB, file);
    fclose(file);
    rc = store_format(sim_disk_io(whole.empty), &geometry);
    if (rc == 0)
        sim_vfs_register(whole.empty);
    return rc;
}

/* What SQLite and a restored catalog leave in the real file system: names without content. */
void whole_store_remove(void)
{
    DIR *folder = opendir(whole.folder);
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL)
        closedir(folder);
    rmdir(whole.folder);
}

struct sim_disk *whole_store_begin(uint64_t seed)
{
    whole.disk = sim_disk_copy(whole.empty, seed);
    sim_vfs_use(whole.disk);
    sim_vfs_clear();
    sim_vfs_put("catalog.db", whole.catalog, whole.catalog_length);
    return whole.disk;
}

int whole_store_open(struct varve **ret_varve)
{
    return varve_open(whole.folder, 0, NULL, ret_varve);
}

void whole_store_reboot(enum sim_outcome outcome, struct chance *chance)
{
    sim_vfs_reboot(outcome, chance);
    sim_disk_reboot(whole.disk);
}

uint64_t whole_store_end(void)
{
    uint64_t left = sim_disk_memory(whole.disk);

    sim_disk_free(whole.disk);
    return left;
}
