/* What is found on images made by the real tools, and on damaged ones. */
#include "inspect/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/error.h>

#include "check.h"
#include "scratch.h"
#include "shell.h"

enum { MIB = 1 << 20 };

static int read_file(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    ssize_t n = pread(*(int *)opaque, buffer, length, (off_t)offset);

    return n == (ssize_t)length ? 0 : varve_fail(EIO, "planted");
}

static struct varve_inspection *now;

static int look_at(const char *path)
{
    int r, fd = open(path, O_RDONLY | O_CLOEXEC);
    struct inspect_source source = {.read = read_file, .opaque = &fd};
    struct stat about;

    varve_inspection_free(now);
    now = NULL;
    CHECK(fd >= 0);
    CHECK_EQ(fstat(fd, &about), 0);
    source.size = (uint64_t)about.st_size;
    r = inspect_source(&source, &now);
    close(fd);
    return r;
}

/* A sparse file of that size, worked on by a command line that says $IMAGE for it. */
static const char *image(const char *name, long long size, const char *command)
{
    const char *path = scratch_path(name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, size), 0);
    close(fd);
    setenv("IMAGE", path, 1);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    CHECK_EQ(shell(command), 0);
    return path;
}

static void patch(const char *path, off_t at, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    CHECK_EQ(pwrite(fd, bytes, length, at), (ssize_t)length);
    close(fd);
}

static void content_is(const struct varve_content *content, const char *type, const char *label,
                       enum varve_clean clean)
{
    CHECK_HAS(content->type, type);
    CHECK_HAS(content->label, label);
    if (content->clean != clean)
        check_failed(__FILE__, __LINE__, "%s is %s (%s)", type, varve_clean_name(content->clean),
                     content->clean_reason);
    if (clean == VARVE_CLEAN_YES || clean == VARVE_CLEAN_NOT_APPLICABLE)
        CHECK_EQ(strlen(content->clean_reason), 0);
    else
        CHECK(strlen(content->clean_reason) > 0);
}

static void nothing(void)
{
    CHECK_EQ(look_at(image("nothing", MIB, "true")), 0);
    CHECK_EQ(strlen(now->table_type), 0);
    content_is(&now->content, "", "", VARVE_CLEAN_NOT_APPLICABLE);
    CHECK_EQ(look_at(image("sector", 512, "true")), 0);
    CHECK_EQ(now->size, 512);
}

static void ext4(void)
{
    const char *path =
        image("ext4", 16 * MIB, "mkfs.ext4 -q -O ^metadata_csum -L 'my root' $IMAGE");

    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "ext4", "my root", VARVE_CLEAN_YES);
    CHECK_EQ(strlen(now->content.uuid), 36);
    CHECK_HAS(now->content.usage, "filesystem");
    patch(path, 1024 + 96, "\xc6", 1); /* as it was, and needs_recovery */
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "ext4", "my root", VARVE_CLEAN_NO);
    CHECK_HAS(now->content.clean_reason, "journal needs recovery");
}

static void ext2(void)
{
    const char *path = image("ext2", 8 * MIB, "mkfs.ext2 -q $IMAGE");

    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "ext2", "", VARVE_CLEAN_YES);
    patch(path, 1024 + 58, "\0", 1);
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "ext2", "", VARVE_CLEAN_NO);
    patch(path, 1024 + 58, "\3", 1);
    CHECK_EQ(look_at(path), 0);
    CHECK_HAS(now->content.clean_reason, "marked with errors");
}

/* The unmount record of a fresh log: its operation's flags are 9 bytes into the block after the
 * header. */
static void xfs(void)
{
    const char *path = image("xfs", 320 * MIB, "mkfs.xfs -q -L stones $IMAGE");
    unsigned char super[512];
    uint64_t log, block;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "xfs", "stones", VARVE_CLEAN_YES);
    CHECK_EQ(pread(fd, super, sizeof super, 0), 512);
    close(fd);
    block = (uint64_t)super[54] << 8 | super[55] | (uint64_t)super[53] << 16;
    log = ((block >> super[124]) *
               ((unsigned)super[85] << 16 | (unsigned)super[86] << 8 | super[87]) +
           (block & ((1u << super[124]) - 1))) *
          4096;
    patch(path, (off_t)log + 512 + 9, "\0", 1);
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "xfs", "stones", VARVE_CLEAN_NO);
    patch(path, (off_t)log + 304, "another file system", 16);
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "xfs", "stones", VARVE_CLEAN_UNKNOWN);
}

static void btrfs(void)
{
    CHECK_EQ(look_at(image("btrfs", 128 * MIB, "mkfs.btrfs -q -L butter $IMAGE")), 0);
    content_is(&now->content, "btrfs", "butter", VARVE_CLEAN_YES);
}

static void fat(void)
{
    const char *path = image("fat32", 64 * MIB, "mkfs.vfat -F 32 -n ESP $IMAGE >/dev/null");

    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "vfat", "ESP", VARVE_CLEAN_YES);
    CHECK_HAS(now->content.version, "FAT32");
    patch(path, 0x41, "\1", 1);
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "vfat", "ESP", VARVE_CLEAN_NO);

    path = image("fat16", 32 * MIB, "mkfs.vfat -F 16 $IMAGE >/dev/null");
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "vfat", "", VARVE_CLEAN_YES);
    patch(path, 0x25, "\1", 1);
    CHECK_EQ(look_at(path), 0);
    content_is(&now->content, "vfat", "", VARVE_CLEAN_NO);
}

static void swap(void)
{
    CHECK_EQ(look_at(image("swap", 8 * MIB, "mkswap -q -L pages $IMAGE")), 0);
    content_is(&now->content, "swap", "pages", VARVE_CLEAN_NOT_APPLICABLE);
}

static void gpt_with_file_systems(void)
{
    const char *path = image(
        "gpt", 200 * MIB,
        "printf 'label: gpt\\nsize=64M, type=U, name=\"efi part\"\\nsize=64M, type=L\\ntype=S\\n'"
        " | sfdisk -q $IMAGE && truncate -s 64M $IMAGE.p &&"
        " mkfs.vfat -F 32 $IMAGE.p >/dev/null && dd if=$IMAGE.p of=$IMAGE bs=1M seek=1"
        " conv=notrunc,sparse status=none && truncate -s 0 $IMAGE.p &&"
        " truncate -s 64M $IMAGE.p && mkfs.ext4 -q -L second $IMAGE.p && dd if=$IMAGE.p"
        " of=$IMAGE bs=1M seek=65 conv=notrunc status=none");

    CHECK_EQ(look_at(path), 0);
    CHECK_HAS(now->table_type, "gpt");
    CHECK_EQ(now->table_sector, 512);
    CHECK_EQ(strlen(now->table_id), 36);
    CHECK_EQ(now->partition_count, 3);
    CHECK_EQ(now->partitions[0].number, 1);
    CHECK_EQ(now->partitions[0].start, MIB);
    CHECK_EQ(now->partitions[0].size, 64 * MIB);
    CHECK_HAS(now->partitions[0].name, "efi part");
    CHECK_HAS(now->partitions[0].type_name, "EFI system");
    content_is(&now->partitions[0].content, "vfat", "", VARVE_CLEAN_YES);
    content_is(&now->partitions[1].content, "ext4", "second", VARVE_CLEAN_YES);
    content_is(&now->partitions[2].content, "", "", VARVE_CLEAN_NOT_APPLICABLE);
    CHECK_HAS(now->partitions[2].type_name, "Linux swap");
    /* The first header is lost: the one at the end serves. */
    patch(path, 512, "garbage!", 8);
    CHECK_EQ(look_at(path), 0);
    CHECK_EQ(now->partition_count, 3);
}

static void gpt_of_a_large_volume(void)
{
    const char *path = image("large", (long long)10 << 40,
                             "printf 'label: gpt\\nsize=5T\\ntype=L\\n' | sfdisk -q $IMAGE");

    CHECK_EQ(look_at(path), 0);
    CHECK_EQ(now->partition_count, 2);
    CHECK_EQ(now->partitions[1].start, ((uint64_t)5 << 40) + MIB);
}

static void dos_with_logical_partitions(void)
{
    const char *path =
        image("dos", (long long)2 << 30,
              "printf 'label: dos\\nsize=100M, type=83\\nsize=1G, type=5\\ntype=82\\n"
              "size=100M, type=83\\nsize=100M, type=83\\n' | sfdisk -q $IMAGE");

    CHECK_EQ(look_at(path), 0);
    CHECK_HAS(now->table_type, "dos");
    CHECK_EQ(now->partition_count, 5);
    CHECK_EQ(now->partitions[3].number, 5);
    CHECK_EQ(now->partitions[4].number, 6);
    CHECK_EQ(now->partitions[4].size, 100 * MIB);
    CHECK_HAS(now->partitions[4].type, "0x83");
    CHECK_HAS(now->partitions[1].type_name, "Extended");
}

/* An extended record that names itself as the next one. */
static void a_chain_without_end(void)
{
    unsigned char record[512] = {[510] = 0x55, [511] = 0xaa};
    const char *path = image("chain", 8 * MIB, "true");

    record[446 + 4] = 0x05;
    record[446 + 8] = 8;
    record[446 + 13] = 0x10;
    patch(path, 0, record, sizeof record);
    record[446 + 8] = 0;
    patch(path, 8 * 512, record, sizeof record);
    CHECK_EQ(look_at(path), 0);
}

static void what_reading_says_is_handed_up(void)
{
    int fd = -1;
    struct inspect_source source = {.read = read_file, .opaque = &fd, .size = MIB};
    struct varve_inspection *none = NULL;

    CHECK_EQ(inspect_source(&source, &none), -EIO);
    CHECK_HAS(varve_error(), "planted");
    CHECK(none == NULL);
}

/* Random bytes over what the checks read: any answer is right, as long as there is one. */
static void damaged_images(void)
{
    static const char *const names[] = {"ext4", "xfs", "btrfs", "fat32", "gpt", "dos"};
    unsigned seed = 4711;

    for (unsigned i = 0; i < 120; i++) {
        unsigned char noise[16];
        const char *path = scratch_path(names[i % 6]);
        off_t at = (off_t)(rand_r(&seed) % (rand_r(&seed) % 2 ? 1024 : 68 << 10));

        for (size_t k = 0; k < sizeof noise; k++)
            noise[k] = (unsigned char)rand_r(&seed);
        patch(path, at, noise, 1 + (size_t)rand_r(&seed) % sizeof noise);
        CHECK_EQ(look_at(path), 0);
    }
}

static void devices(void)
{
    char finding[INSPECT_FINDING_MAX] = "?";

    CHECK_EQ(inspect_device(image("plain", MIB, "true"), finding), 0);
    CHECK_EQ(strlen(finding), 0);
    CHECK_EQ(inspect_device(image("taken", 8 * MIB, "mkfs.ext2 -q $IMAGE"), finding), 0);
    CHECK_HAS(finding, "ext2 file system");
    CHECK_EQ(inspect_device(scratch_path("absent"), finding), -ENOENT);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"nothing", nothing},
        {"ext4", ext4},
        {"ext2", ext2},
        {"xfs", xfs},
        {"btrfs", btrfs},
        {"fat", fat},
        {"swap", swap},
        {"gpt with file systems", gpt_with_file_systems},
        {"gpt of a large volume", gpt_of_a_large_volume},
        {"dos with logical partitions", dos_with_logical_partitions},
        {"a chain without end", a_chain_without_end},
        {"what reading says is handed up", what_reading_says_is_handed_up},
        {"damaged images", damaged_images},
        {"devices", devices},
    };
    int failed = check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));

    varve_inspection_free(now);
    return failed;
}
