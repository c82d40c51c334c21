/* File systems made on a file: what e2fsck says of them, what opening refuses. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <varve/error.h>

#include "check.h"
#include "files/ext4_io.h"
#include "files/ext4_make.h"

static int file = -1;
static char path[] = "/tmp/varve-files-XXXXXX";
static int failing; /* the target's errno, once it is to fail */

static int file_read(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    (void)opaque;
    if (failing)
        return varve_fail(failing, "the target failed on purpose");
    return pread(file, buffer, length, (off_t)offset) == (ssize_t)length
               ? 0
               : varve_fail(EIO, "read of the file");
}

static int file_write(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    (void)opaque;
    if (failing)
        return varve_fail(failing, "the target failed on purpose");
    return pwrite(file, buffer, length, (off_t)offset) == (ssize_t)length
               ? 0
               : varve_fail(EIO, "write of the file");
}

static int file_zero(void *opaque, uint64_t length, uint64_t offset)
{
    (void)opaque;
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0
               ? 0
               : varve_fail(errno, "punch");
}

static struct files_target target_of(uint64_t size)
{
    failing = 0;
    CHECK(ftruncate(file, 0) == 0 && ftruncate(file, (off_t)size) == 0);
    return (struct files_target){file_read, file_write, file_zero, NULL, size};
}

static int fsck(void)
{
    char command[200];
    int status;

    (void)snprintf(command, sizeof command, "e2fsck -fn %s >%s.log 2>&1 || { cat %s.log; exit 1; }",
                   path, path, path);
    status = fork();
    if (status == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(status, &status, 0) > 0);
    return status;
}

static void sizes(void)
{
    static const uint64_t sizes[] = {8, 64, 129, 512, 5000, 70000};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct files_target target = target_of(sizes[i] << 20);
        const struct ext4_need need = {10, 4096 * 10};
        ext2_filsys fs;

        CHECK_EQ(ext4_make(&target, "a-label-longer-than-16", &need, "ds:1", &fs), 0);
        CHECK_EQ(ext4_close(fs), 0);
        CHECK_EQ(fsck(), 0);
        CHECK_EQ(ext4_open(&target, EXT4_WRITE, "ds:1", &fs), 0);
        CHECK(memcmp(fs->super->s_volume_name, "a-label-longer-t", 16) == 0);
        CHECK_EQ(ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "made"), 0);
        CHECK_EQ(ext4_close(fs), 0);
        CHECK_EQ(fsck(), 0);
    }
}

static void sized_to_fit(void)
{
    static const struct ext4_need needs[] = {{0, 0}, {100000, 1 << 20}, {5, (uint64_t)3 << 30}};

    for (size_t i = 0; i < 3; i++) {
        struct files_target target;
        ext2_filsys fs;
        uint64_t size;

        CHECK_EQ(ext4_size_for(&needs[i], &size), 0);
        target = target_of(size);
        CHECK_EQ(ext4_make(&target, "x", &needs[i], "ds:1", &fs), 0);
        CHECK(ext2fs_free_blocks_count(fs->super) * 4096 >= needs[i].bytes);
        CHECK_EQ(ext4_close(fs), 0);
        CHECK_EQ(fsck(), 0);
    }
}

static void refusals(void)
{
    struct files_target target = target_of(16 << 20);
    const struct ext4_need much = {10, 1 << 30};
    ext2_filsys fs;

    CHECK_EQ(ext4_open(&target, 0, "ds:1", &fs), -EMEDIUMTYPE);
    CHECK_HAS(varve_error(), "ds:1 holds no ext4");
    CHECK_EQ(ext4_make(&target, "x", &much, "ds:1", &fs), -ENOSPC);
    CHECK_HAS(varve_error(), "too small");
    target.size = 4096;
    CHECK_EQ(ext4_make(&target, "x", &much, "ds:1", &fs), -EINVAL);
}

static void target_fails(void)
{
    struct files_target target = target_of(64 << 20);
    const struct ext4_need need = {10, 4096};
    ext2_filsys fs;

    CHECK_EQ(ext4_make(&target, "x", &need, "ds:1", &fs), 0);
    failing = ENOSPC;
    CHECK_EQ(ext4_close(fs), -ENOSPC);
    CHECK_HAS(varve_error(), "on purpose");
    failing = EIO;
    CHECK_EQ(ext4_open(&target, 0, "ds:1", &fs), -EIO);
    CHECK_HAS(varve_error(), "on purpose");
}

/* Bytes of superblock and descriptors are changed: opening says yes or no, and does not die. */
static void damaged(void)
{
    struct files_target target = target_of(64 << 20);
    const struct ext4_need need = {10, 4096};
    ext2_filsys fs;
    unsigned refused = 0;
    uint32_t seed = 1;

    CHECK_EQ(ext4_make(&target, "x", &need, "ds:1", &fs), 0);
    CHECK_EQ(ext4_close(fs), 0);
    for (int i = 0; i < 500; i++) {
        unsigned char old, changed;
        off_t at;

        seed = seed * 1664525 + 1013904223;
        at = 1024 + (off_t)((seed >> 8) % 3200);
        CHECK(pread(file, &old, 1, at) == 1);
        changed = (unsigned char)(old ^ (1u << (seed >> 29)));
        CHECK(pwrite(file, &changed, 1, at) == 1);
        if (ext4_open(&target, EXT4_WRITE, "ds:1", &fs) == 0)
            ext4_abandon(fs);
        else
            refused++;
        CHECK(pwrite(file, &old, 1, at) == 1);
    }
    CHECK(refused > 100); /* the superblock's checksum alone finds as many */
    CHECK_EQ(fsck(), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {{"sizes", sizes},
                                              {"sized to fit", sized_to_fit},
                                              {"refusals", refusals},
                                              {"target fails", target_fails},
                                              {"damaged", damaged}};
    char log[sizeof path + 4];
    int r;

    file = mkstemp(path);
    if (file < 0)
        return 1;
    r = check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
    (void)snprintf(log, sizeof log, "%s.log", path);
    unlink(path);
    unlink(log);
    return r;
}
