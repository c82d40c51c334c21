/* The life of a store and its volumes, through the public headers alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/export.h>
#include <varve/inspect.h>

#include "shell.h"
#include "trial_store.h"

static int append_name(void *opaque, const struct varve_volume *volume)
{
    trial_append(opaque, volume->name);
    trial_append(opaque, " ");
    return 0;
}

static void list_is(struct varve *varve, const char *wanted)
{
    char found[TRIAL_TEXT] = "";

    CHECK_EQ(varve_volume_list(varve, append_name, found), 0);
    CHECK_HAS(found, wanted);
    CHECK_EQ(strlen(found), strlen(wanted));
}

static void create_list_rename_delete(void)
{
    struct varve *varve = trial_open(trial_make("life"), 0);
    struct varve_volume volume;

    CHECK_EQ(trial_create(varve, "b", MIB), 0);
    CHECK_EQ(trial_create(varve, "a", VARVE_VOLUME_SIZE_MAX), 0);
    CHECK_EQ(trial_create(varve, "c", 512), 0);
    list_is(varve, "a b c ");
    CHECK_EQ(varve_volume_rename(varve, "b", "z"), 0);
    CHECK_EQ(varve_volume_delete(varve, "c"), 0);
    CHECK_EQ(varve_close(varve), 0);

    varve = trial_open(scratch_path("life"), 0);
    list_is(varve, "a z ");
    CHECK_EQ(varve_volume_show(varve, "z", &volume), 0);
    CHECK_EQ(volume.size, MIB);
    CHECK(volume.created > 1000000000 && !volume.damaged && !volume.shared);
    CHECK_EQ(volume.connections, 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void bad_requests_change_nothing(void)
{
    struct varve *varve = trial_open(trial_make("bad"), 0);
    struct varve_volume volume;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(trial_create(varve, "a", MIB), -EEXIST);
    CHECK_EQ(trial_create(varve, "B", MIB), -EINVAL);
    CHECK_EQ(trial_create(varve, "b", 1000), -EINVAL);
    CHECK_EQ(trial_create(varve, "b", 0), -EINVAL);
    CHECK_EQ(varve_volume_resize(varve, "a", 1), -EINVAL);
    CHECK_EQ(varve_volume_resize(varve, "x", 512), -ENOENT);
    CHECK_HAS(varve_error(), "no volume 'x'");
    CHECK_EQ(varve_volume_rename(varve, "a", "A"), -EINVAL);
    CHECK_EQ(varve_volume_rename(varve, "x", "y"), -ENOENT);
    CHECK_EQ(varve_volume_delete(varve, "x"), -ENOENT);
    CHECK_EQ(varve_volume_delete(varve, "../a"), -EINVAL);
    CHECK_EQ(varve_volume_show(varve, "", &volume), -EINVAL);
    list_is(varve, "a ");
    CHECK_EQ(varve_close(varve), 0);
}

/* Writes from `at` to `end`, until an error. */
static int fill(struct varve_export *export, uint64_t at, uint64_t end)
{
    static unsigned char bytes[MIB / 4];
    int r = 0;

    memset(bytes, 'f', sizeof bytes);
    for (; r == 0 && at < end; at += sizeof bytes)
        r = varve_export_write(export, bytes, sizeof bytes, at, 0);
    return r;
}

/* Another volume takes all it can get, before and between. */
static void compete(struct varve *varve)
{
    struct varve_export *greedy = NULL, *export = NULL;

    CHECK_EQ(trial_create(varve, "greedy", 256 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "greedy", "me", false, &greedy), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(fill(greedy, 0, 256 * MIB), -ENOSPC);
    for (uint64_t at = 0; at < 16 * MIB; at += MIB) {
        CHECK_EQ(fill(export, at, at + MIB), 0);
        CHECK_EQ(fill(greedy, 128 * MIB, 256 * MIB), -ENOSPC);
    }
    varve_export_close(export);
    varve_export_close(greedy);
}

static void reserved_space_is_there_or_not(void)
{
    struct varve *varve = trial_open(trial_make("reserved"), 0);
    struct varve_volume_options options = {.size = (uint64_t)1 << 40, .reserved = true};
    struct varve_volume volume;

    CHECK_EQ(varve_volume_create(varve, "a", &options), -ENOSPC);
    CHECK(strlen(varve_error()) > 0);
    list_is(varve, "");
    options.size = 16 * MIB;
    CHECK_EQ(varve_volume_create(varve, "a", &options), 0);
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK(volume.reserved);
    CHECK_EQ(varve_volume_resize(varve, "a", (uint64_t)1 << 40), -ENOSPC);
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK_EQ(volume.size, 16 * MIB);
    compete(varve);
    CHECK_EQ(varve_close(varve), 0);
}

static void bytes_survive(void)
{
    struct varve *varve = trial_open(trial_make("bytes"), 0);
    struct varve_export *export = NULL;
    unsigned char out[9000], in[9000];

    for (size_t i = 0; i < sizeof out; i++)
        out[i] = (unsigned char)(i * 7 + i / 256);
    CHECK_EQ(varve_start(varve), 0);
    CHECK_EQ(trial_create(varve, "a", 4 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_size(export), 4 * MIB);
    CHECK(strcmp(varve_export_description(export), "volume a, 4 MiB, image 1") == 0);
    CHECK_EQ(varve_export_write(export, out, sizeof out, 777, 0), 0);
    CHECK_EQ(varve_export_write(export, out, 5000, 2 * MIB, VARVE_FUA), 0);
    CHECK_EQ(varve_export_zero(export, 1000, 2 * MIB + 1000, 0), 0);
    CHECK_EQ(varve_export_flush(export), 0);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);

    varve = trial_open(scratch_path("bytes"), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", true, &export), 0);
    CHECK_EQ(varve_export_read(export, in, sizeof in, 777), 0);
    CHECK(memcmp(in, out, sizeof out) == 0);
    CHECK_EQ(varve_export_read(export, in, 5000, 2 * MIB), 0);
    memset(out + 1000, 0, 1000);
    CHECK(memcmp(in, out, 5000) == 0);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);
}

static void errors_of_the_data_path(void)
{
    struct varve *varve = trial_open(trial_make("path"), 0);
    struct varve_export *export = NULL;
    char bytes[512] = "";

    CHECK_EQ(trial_create(varve, "a", 4096), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", true, &export), 0);
    CHECK_EQ(varve_export_read(export, bytes, 512, 3585), -EINVAL);
    CHECK_EQ(varve_export_write(export, bytes, 512, 0, 0), -EPERM);
    CHECK_EQ(varve_export_trim(export, 512, 0, 0), -EPERM);
    CHECK(!varve_export_can_write(export));
    varve_export_close(export);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_write(export, bytes, 512, 4096, 0), -ENOSPC);
    CHECK_EQ(varve_export_write(export, bytes, 512, UINT64_MAX - 100, 0), -ENOSPC);
    CHECK_EQ(varve_export_zero(export, UINT64_MAX, 512, 0), -ENOSPC);
    varve_export_close(export);
    CHECK_EQ(varve_export_open(varve, "b", "me", false, &export), -ENOENT);
    CHECK_EQ(varve_export_open(varve, "a@b", "me", false, &export), -ENOENT);
    CHECK_EQ(varve_close(varve), 0);
}

static void extents_tile_the_range(void)
{
    struct varve *varve = trial_open(trial_make("extents"), 0);
    struct varve_export *export = NULL;
    struct varve_extent extents[200];
    uint64_t offset = 4096, end = 2 * MIB - 512;
    char bytes[4096] = "x";
    int count;

    CHECK_EQ(trial_create(varve, "a", 2 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    for (unsigned i = 0; i < 300; i += 2)
        CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, i * 4096, 0), 0);
    count = varve_export_extents(export, end - offset, offset, extents, 200);
    CHECK_EQ(count, 200);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(extents[i].offset, offset);
        CHECK_EQ(extents[i].hole, i % 2 == 0);
        offset += extents[i].length;
    }
    count = varve_export_extents(export, end - offset, offset, extents, 200);
    CHECK(count >= 1);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(extents[i].offset, offset);
        offset += extents[i].length;
    }
    CHECK_EQ(offset, end);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);
}

static void resize(void)
{
    struct varve *varve = trial_open(trial_make("resize"), 0);
    struct varve_export *export = NULL;
    struct varve_volume volume;
    char bytes[512] = "y";

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_volume_resize(varve, "a", 2 * MIB), 0);
    CHECK_EQ(varve_export_size(export), MIB);
    CHECK_EQ(varve_volume_resize(varve, "a", MIB), -EBUSY);
    CHECK_HAS(varve_error(),
              "'a' is attached (1 connection) and cannot shrink from 2 MiB to 1 MiB");
    varve_export_close(export);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_size(export), 2 * MIB);
    CHECK_EQ(varve_export_write(export, bytes, 512, 2 * MIB - 512, 0), 0);
    varve_export_close(export);
    CHECK_EQ(varve_volume_resize(varve, "a", 512), 0);
    CHECK_EQ(varve_volume_resize(varve, "a", 2 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_read(export, bytes, 512, 2 * MIB - 512), 0);
    CHECK_EQ(bytes[0], 0);
    varve_export_close(export);
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK_EQ(volume.size, 2 * MIB);
    CHECK_EQ(varve_close(varve), 0);
}

static void attached_is_not_deleted(void)
{
    struct varve *varve = trial_open(trial_make("attached"), 0);
    struct varve_export *export = NULL, *other = NULL;
    struct varve_volume volume;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", true, &export), 0);
    CHECK_EQ(varve_export_open(varve, "a", "you", true, &other), 0);
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK_EQ(volume.connections, 2);
    varve_export_close(other);
    CHECK_EQ(varve_volume_delete(varve, "a"), -EBUSY);
    CHECK_HAS(varve_error(), "'a' is attached (1 connection");
    CHECK_EQ(varve_volume_rename(varve, "a", "b"), 0);
    varve_export_close(export);
    CHECK_EQ(varve_volume_delete(varve, "b"), 0);
    list_is(varve, "");
    CHECK_EQ(varve_close(varve), 0);
}

static void read_only_store(void)
{
    struct varve *varve = trial_open(trial_make("ro"), 0);
    struct varve_export *export = NULL;
    char bytes[512] = "z";

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_write(export, bytes, 512, 0, 0), 0);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);

    varve = trial_open(scratch_path("ro"), VARVE_OPEN_READ_ONLY);
    list_is(varve, "a ");
    CHECK_EQ(trial_create(varve, "b", MIB), -EROFS);
    CHECK_EQ(varve_volume_delete(varve, "a"), -EROFS);
    CHECK_EQ(varve_volume_resize(varve, "a", 2 * MIB), -EROFS);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK(!varve_export_can_write(export));
    bytes[0] = 0;
    CHECK_EQ(varve_export_read(export, bytes, 512, 0), 0);
    CHECK_EQ(bytes[0], 'z');
    CHECK_EQ(varve_export_write(export, bytes, 512, 0, 0), -EPERM);
    CHECK_EQ(varve_export_flush(export), 0);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);
}

static void what_init_refuses(void)
{
    struct varve_init_options options = {.limit = 64 * MIB};
    const char *dir = trial_make("again"), *full = scratch_path("full"), *file;

    CHECK_EQ(varve_init(dir, &options), -EEXIST);
    CHECK_HAS(varve_error(), "holds a store already");
    CHECK_EQ(mkdir(full, 0700), 0);
    file = scratch_path("full/x");
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK_EQ(varve_init(full, &options), -ENOTEMPTY);
    CHECK_HAS(varve_error(), "there is 'x'");
    CHECK_EQ(varve_init(file, &options), -ENOTDIR);
    options.limit = 1 * MIB;
    CHECK_EQ(varve_init(scratch_path("tiny"), &options), -EINVAL);
    CHECK_HAS(varve_error(), "at least");
    CHECK(access(scratch_path("tiny"), F_OK) != 0);
    options = (struct varve_init_options){.limit = 64 * MIB, .journal_size = 5000};
    CHECK_EQ(varve_init(scratch_path("odd"), &options), -EINVAL);
    CHECK(access(scratch_path("odd"), F_OK) != 0);
    options = (struct varve_init_options){.device = "/dev/null"};
    CHECK_EQ(varve_init(scratch_path("null"), &options), -ENOTBLK);
    CHECK(access(scratch_path("null"), F_OK) != 0);
}

/* An init that was killed leaves .init, and no store. */
static void init_takes_up_what_an_unfinished_one_left(void)
{
    const char *dir = scratch_path("taken-up");
    struct varve_init_options options = {.limit = 64 * MIB, .journal_size = 4 * MIB};
    struct varve *varve = NULL;

    CHECK_EQ(mkdir(dir, 0700), 0);
    CHECK_EQ(mkdir(scratch_path("taken-up/.init"), 0700), 0);
    close(open(scratch_path("taken-up/.init/extents"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(open(scratch_path("taken-up/journal"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    CHECK(varve_open(dir, 0, NULL, &varve) < 0);
    CHECK_EQ(varve_init(dir, &options), 0);
    CHECK(access(scratch_path("taken-up/.init"), F_OK) != 0);
    varve = trial_open(dir, 0);
    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void a_store_is_held_once(void)
{
    const char *dir = trial_make("held");
    struct varve *varve = trial_open(dir, 0), *second = NULL;

    CHECK_EQ(varve_open(dir, 0, NULL, &second), -EBUSY);
    CHECK_EQ(varve_open(dir, VARVE_OPEN_READ_ONLY, NULL, &second), -EBUSY);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, 0);
    CHECK_EQ(varve_close(varve), 0);
    CHECK_EQ(varve_open(scratch_path("nowhere"), 0, NULL, &second), -ENOENT);
}

/* A file system, made outside and copied in, is found through the store. */
static void inspect(void)
{
    struct varve *varve = trial_open(trial_make("inspect"), 0);
    const char *path = scratch_path("ext2.img");
    struct varve_inspection *inspection = NULL;
    struct varve_export *export = NULL;
    static unsigned char bytes[MIB];
    int fd;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_inspect(varve, "a", &inspection), 0);
    CHECK(inspection->blank && inspection->content.type[0] == '\0');
    varve_inspection_free(inspection);
    setenv("IMAGE", path, 1);
    CHECK_EQ(shell("PATH=$PATH:/usr/sbin:/sbin mkfs.ext2 -q -L pond \"$IMAGE\" 1M"), 0);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(pread(fd, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    close(fd);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, 0, 0), 0);
    CHECK_EQ(varve_inspect(varve, "a", &inspection), 0);
    CHECK(!inspection->blank && inspection->size == MIB);
    CHECK_HAS(inspection->content.type, "ext2");
    CHECK_HAS(inspection->content.label, "pond");
    CHECK_EQ(inspection->content.clean, VARVE_CLEAN_YES);
    varve_inspection_free(inspection);
    varve_export_close(export);
    CHECK_EQ(varve_inspect(varve, "b", &inspection), -ENOENT);
    CHECK_EQ(varve_close(varve), 0);
}

static void ignore_line(void *opaque, const char *line)
{
    (void)opaque;
    printf("problem: %s\n", line);
}

static void check_of_a_used_store(void)
{
    struct varve *varve = trial_open(trial_make("checked"), 0);
    struct varve_check_result result;
    struct varve_export *export = NULL;
    struct varve_stats stats;
    char bytes[4096] = "q";

    CHECK_EQ(varve_start(varve), 0);
    CHECK_EQ(trial_create(varve, "a", 16 * MIB), 0);
    CHECK_EQ(trial_create(varve, "b", 16 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), 0);
    for (unsigned i = 0; i < 500; i++)
        CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, (i * 37 % 4000) * 4096, 0), 0);
    CHECK_EQ(varve_sync(varve), 0);
    varve_export_close(export);
    CHECK_EQ(varve_volume_delete(varve, "b"), 0);
    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, ignore_line, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK(result.data_blocks > 500); /* and those of the copy of the catalog */
    varve_get_stats(varve, &stats);
    CHECK_EQ(stats.logical_bytes, 16 * MIB);
    CHECK_EQ(stats.mapped_bytes, 500 * 4096);
    CHECK(stats.writes >= 500); /* and those of the copy */
    CHECK(!stats.failed);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"create, list, rename, delete", create_list_rename_delete},
        {"bad requests change nothing", bad_requests_change_nothing},
        {"reserved space is there or not", reserved_space_is_there_or_not},
        {"bytes survive", bytes_survive},
        {"errors of the data path", errors_of_the_data_path},
        {"extents tile the range", extents_tile_the_range},
        {"resize", resize},
        {"attached is not deleted", attached_is_not_deleted},
        {"read-only store", read_only_store},
        {"what init refuses", what_init_refuses},
        {"init takes up what an unfinished one left", init_takes_up_what_an_unfinished_one_left},
        {"a store is held once", a_store_is_held_once},
        {"inspect", inspect},
        {"check of a used store", check_of_a_used_store},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
