/* Paths, lists and deletes on ext4 images that mke2fs made, checked with e2fsck. */
#include <stdlib.h>
#include <varve/error.h>

#include "check.h"
#include "file_target.h"
#include "files/ext4_delete.h"
#include "files/ext4_io.h"
#include "files/ext4_list.h"
#include "files/ext4_path.h"
#include "scratch.h"
#include "shell.h"

static int fd = -1;

/* A folder with one of each kind, and an image of it. */
static void make_image(const char *options)
{
    char text[1024];

    CHECK_EQ(shell_in_scratch(
                 "rm -rf tree image && mkdir -p tree/a/b/c tree/big tree/empty && cd tree && "
                 "echo one >a/one && ln a/one a/b/same && ln -s ../one a/b/up && "
                 "ln -s /a/b abs && ln -s loop loop && ln -s ../../../../../a/one out && "
                 "ln -s missing dangling && truncate -s 3G sparse && echo end >>sparse && "
                 "head -c 3000000 /dev/urandom >big/data && touch \"$(printf 'new\\nline')\" && "
                 "touch \"$(printf '%0255d' 7)\" && ln -s \"/$(printf '%0150d' 1)\" slow && "
                 "for i in $(seq 300); do echo $i >big/$i; done && mkfifo pipe && "
                 "setfattr -n user.k -v v a/one 2>/dev/null; chmod 640 a/one && "
                 "touch -d @1234567890.5 a/one"),
             0);
    snprintf(text, sizeof text, "truncate -s 64M image && mke2fs -q -t ext4 %s -d tree image",
             options);
    CHECK_EQ(shell_in_scratch(text), 0);
    if (fd >= 0)
        close(fd);
    fd = open(scratch_path("image"), O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
}

static ext2_filsys open_image(unsigned flags)
{
    struct files_target target = file_target(&fd);
    ext2_filsys fs = NULL;

    if (ext4_open(&target, flags, "image", &fs) != 0)
        check_failed(__FILE__, __LINE__, "open: %s", varve_error());
    return fs;
}

struct listed {
    unsigned count;
    bool sorted;
    char last[EXT4_PATH_MAX], wanted[300];
    struct varve_file found;
    char target[300];
};

/* A slash is before every other byte: a folder's names follow it at once. */
static int compare(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return (*a == '/' ? 1 : (unsigned char)*a + (*a != 0)) -
           (*b == '/' ? 1 : (unsigned char)*b + (*b != 0));
}

static int note(void *opaque, const struct varve_file *entry)
{
    struct listed *listed = opaque;

    if (listed->count++ > 0)
        listed->sorted &= compare(listed->last, entry->path) < 0;
    snprintf(listed->last, sizeof listed->last, "%s", entry->path);
    if (strcmp(entry->path, listed->wanted) == 0) {
        listed->found = *entry;
        snprintf(listed->target, sizeof listed->target, "%s",
                 entry->target != NULL ? entry->target : "");
    }
    return 0;
}

static int list(ext2_filsys fs, const char *path, bool recursive, const char *wanted,
                struct listed *listed)
{
    *listed = (struct listed){.sorted = true};
    snprintf(listed->wanted, sizeof listed->wanted, "%s", wanted);
    return ext4_list(fs, path, recursive, note, listed);
}

static void lists(void)
{
    struct listed listed;
    ext2_filsys fs;

    make_image("");
    fs = open_image(0);
    CHECK_EQ(list(fs, "/", true, "a/one", &listed), 0);
    CHECK(listed.sorted);
    CHECK_EQ(listed.count, 13 + 2 + 3 + 301);
    CHECK_EQ(listed.found.mode, S_IFREG | 0640);
    CHECK_EQ(listed.found.links, 2);
    CHECK_EQ(listed.found.size, 4);
    CHECK_EQ(listed.found.mtime, 1234567890);
    CHECK_EQ(list(fs, "", false, "abs", &listed), 0);
    CHECK_EQ(listed.count, 13);
    CHECK(strcmp(listed.target, "/a/b") == 0);
    CHECK_EQ(list(fs, "/", false, "slow", &listed), 0);
    CHECK_EQ(strlen(listed.target), 151);
    CHECK_EQ(list(fs, "/", false, "sparse", &listed), 0);
    CHECK_EQ(listed.found.size, ((long long)3 << 30) + 4);
    CHECK_EQ(list(fs, "/abs/", false, "same", &listed), 0);
    CHECK_EQ(listed.count, 3);
    CHECK_EQ(listed.found.size, 4);
    CHECK_EQ(list(fs, "/a/one", true, "one", &listed), 0);
    CHECK_EQ(listed.count, 1);
    CHECK_EQ(list(fs, "/empty", true, "", &listed), 0);
    CHECK_EQ(listed.count, 0);
    ext4_abandon(fs);
}

static void paths_stay_inside(void)
{
    struct ext4_place place, one;
    char deep[EXT4_PATH_MAX + 1], name[EXT2_NAME_LEN + 3] = "/";
    ext2_filsys fs = open_image(0);

    CHECK_EQ(ext4_path_find(fs, "/a/one", 0, &one), 0);
    static const char *const same[] = {"a/one",           "//a///one",        "/a/b/../one",
                                       "/../../../a/one", "/abs/../one",      "/abs/up/",
                                       "/./a/./one",      "/a/b/c/../../one", "/out"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        int wanted = strcmp(same[i], "/abs/up/") == 0 ? -ENOTDIR : 0;

        CHECK_EQ(ext4_path_find(fs, same[i], EXT4_FOLLOW, &place), wanted);
        CHECK(wanted != 0 || place.inode == one.inode);
    }
    CHECK_EQ(ext4_path_find(fs, "/a/b/..", 0, &place), 0);
    CHECK(strcmp(place.name, "a") == 0 && place.folder == EXT2_ROOT_INO);
    CHECK_EQ(ext4_path_find(fs, "/out", 0, &place), 0);
    CHECK(place.inode != one.inode);
    CHECK_EQ(ext4_path_find(fs, "/loop", EXT4_FOLLOW, &place), -ELOOP);
    CHECK_EQ(ext4_path_find(fs, "/dangling", EXT4_FOLLOW, &place), -ENOENT);
    CHECK_EQ(ext4_path_find(fs, "/a/one/x", 0, &place), -ENOTDIR);
    CHECK_EQ(ext4_path_find(fs, "/nothing", 0, &place), -ENOENT);
    CHECK_HAS(varve_error(), "/nothing");
    CHECK_EQ(ext4_path_find(fs, "/a/new", EXT4_MISSING, &place), 0);
    CHECK(place.inode == 0 && strcmp(place.name, "new") == 0);
    CHECK_EQ(ext4_path_find(fs, "/nothing/new", EXT4_MISSING, &place), -ENOENT);
    CHECK_EQ(ext4_path_find(fs, "/new\nline", 0, &place), 0);
    memset(name + 1, 'x', EXT2_NAME_LEN + 1);
    CHECK_EQ(ext4_path_find(fs, name, 0, &place), -ENAMETOOLONG);
    memset(deep, '/', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    CHECK_EQ(ext4_path_find(fs, deep, 0, &place), -ENAMETOOLONG);
    ext4_abandon(fs);
}

static void delete_one(const char *path, int wanted, unsigned names)
{
    struct files_changed changed = {.names = 0};
    ext2_filsys fs = open_image(EXT4_WRITE);
    int r = ext4_delete(fs, path, &changed);

    if (r != wanted)
        check_failed(__FILE__, __LINE__, "delete %s: %d: %s", path, r, varve_error());
    CHECK_EQ(changed.names, names);
    CHECK_EQ(ext4_close(fs), 0);
    if (shell_in_scratch("e2fsck -fn image") != 0)
        check_failed(__FILE__, __LINE__, "after deleting %s e2fsck finds damage", path);
}

static void deletes_leave_it_whole(void)
{
    static const char *const options[] = {"", "-O inline_data,ea_inode -I 256", "-b 1024",
                                          "-O ^extents,^64bit,^metadata_csum", "-O ^has_journal"};

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        struct stat before, after;
        struct listed listed;
        ext2_filsys fs;

        make_image(options[i]);
        CHECK_EQ(fstat(fd, &before), 0);
        delete_one("/", -EINVAL, 0);
        delete_one("/a/..", -EINVAL, 0);
        delete_one("/nothing", -ENOENT, 0);
        delete_one("/a/one", 0, 1);
        delete_one("/abs", 0, 1);
        delete_one("/out", 0, 1);
        delete_one("/slow", 0, 1);
        delete_one("/sparse", 0, 1);
        delete_one("/pipe", 0, 1);
        delete_one("/new\nline", 0, 1);
        delete_one("/a/b/same", 0, 1);
        delete_one("/big", 0, 302);
        delete_one("/a", 0, 4);
        delete_one("/empty", 0, 1);
        CHECK_EQ(fstat(fd, &after), 0);
        CHECK(before.st_blocks - after.st_blocks > 3000000 / 512);
        fs = open_image(0);
        CHECK_EQ(list(fs, "/", true, "", &listed), 0);
        CHECK_EQ(listed.count, 4); /* lost+found, dangling, loop, the long one */
        ext4_abandon(fs);
    }
}

/* The same numbers in each run. */
static unsigned draw(void)
{
    static unsigned state = 1;

    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

/* Whatever bytes are there: an answer or a refusal, and an end. */
static void damaged_images(void)
{
    struct files_target target;

    make_image("-b 1024");
    for (unsigned i = 0; i < 150; i++) {
        struct listed listed;
        struct files_changed changed;
        ext2_filsys fs = NULL;

        CHECK_EQ(shell_in_scratch("cp --sparse=always image keep"), 0);
        for (unsigned k = 0; k < 200; k++) {
            unsigned char byte = (unsigned char)draw();

            CHECK_EQ(pwrite(fd, &byte, 1, 2048 + draw() % (2u << 20)), 1);
        }
        target = file_target(&fd);
        if (ext4_open(&target, EXT4_LEFT_UNCLEAN, "image", &fs) == 0) {
            (void)list(fs, "/", true, "", &listed);
            (void)list(fs, "/abs/up", true, "", &listed);
            ext4_abandon(fs);
        }
        if (ext4_open(&target, EXT4_WRITE, "image", &fs) == 0) {
            (void)ext4_delete(fs, "/a", &changed);
            (void)ext4_delete(fs, "/big", &changed);
            ext4_abandon(fs);
        }
        CHECK_EQ(shell_in_scratch("cat keep >image"), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"lists", lists},
        {"paths stay inside", paths_stay_inside},
        {"deletes leave it whole", deletes_leave_it_whole},
        {"damaged images", damaged_images},
    };
    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
