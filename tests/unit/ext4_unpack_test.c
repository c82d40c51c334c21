/* Archives put into ext4 images that mke2fs made: sound ones, broken ones, and into broken images.
 * What was put is checked with e2fsck. */
#include <fcntl.h>
#include <stdlib.h>
#include <varve/error.h>

#include "check.h"
#include "file_target.h"
#include "files/tree.h"
#include "scratch.h"
#include "shell.h"

static int fd = -1;
static unsigned char *archive;
static size_t archive_length;

static void make_image(const char *options)
{
    char text[1024];

    snprintf(text, sizeof text,
             "mkdir -p first/dir && echo x >first/kept && rm -f image && truncate -s 24M image && "
             "mke2fs -q -t ext4 %s -d first image && cp image keep",
             options);
    CHECK_EQ(shell_in_scratch(text), 0);
    if (fd >= 0)
        close(fd);
    fd = open(scratch_path("image"), O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
}

static void read_archive(void)
{
    FILE *file = fopen(scratch_path("archive"), "re");

    CHECK(file != NULL);
    free(archive);
    archive = malloc(8 << 20);
    CHECK(archive != NULL);
    archive_length = fread(archive, 1, 8 << 20, file);
    fclose(file);
    CHECK(archive_length > 300000 && archive_length < 8 << 20);
}

/* One of each kind, with holes, long names and many names, by another program than ours. */
static void make_archive(void)
{
    CHECK_EQ(
        shell_in_scratch(
            "rm -rf tree && mkdir -p tree/a/b tree/many && cd tree && echo one >a/one && "
            "ln a/one a/b/same && ln -s ../one a/b/up && ln -s \"/$(printf '%0200d' 1)\" a/far "
            "&& truncate -s 3M sparse && echo end >>sparse && mkfifo pipe && "
            "touch \"$(printf '%0255d' 7)\" && head -c 300000 /dev/urandom >random && "
            "for i in $(seq 600); do echo $i >many/a-name-of-some-length-$i; done && "
            "{ setfattr -n user.k -v v a/one; setfattr -n user.l -v "
            "\"$(printf '%0900d' 1)\" a/b; true; } && "
            "tar --format=pax --xattrs -Scf ../archive --hard-dereference . && "
            "tar --format=pax --xattrs -Scf ../archive ."),
        0);
    read_archive();
}

struct feed {
    size_t at, end;
    size_t piece;
    int then; /* instead of the end */
};

static ssize_t give(void *opaque, void *bytes, size_t room)
{
    struct feed *feed = opaque;
    size_t length = feed->end - feed->at;

    if (length == 0)
        return feed->then;
    if (length > room)
        length = room;
    if (length > feed->piece)
        length = feed->piece;
    memcpy(bytes, archive + feed->at, length);
    feed->at += length;
    return (ssize_t)length;
}

static int put(const char *path, struct feed feed, struct files_changed *ret_changed)
{
    struct files_target target = file_target(&fd);

    return tree_put(&target, "image", path, give, &feed, ret_changed);
}

static struct feed whole(size_t piece)
{
    return (struct feed){.end = archive_length, .piece = piece};
}

static const char *const kinds[] = {"", "-b 1024", "-O inline_data,ea_inode -I 256",
                                    "-O ^extents,^64bit,^metadata_csum", "-I 128"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void sound_archives(void)
{
    struct files_changed changed = {.names = 0};

    make_archive();
    for (size_t i = 0; i < KINDS; i++) {
        make_image(kinds[i]);
        if (put("/", whole(1 << 20), &changed) != 0)
            check_failed(__FILE__, __LINE__, "%s: %s", kinds[i], varve_error());
        CHECK(changed.names > 610);
        CHECK_EQ(changed.path[0], '/');
        CHECK_EQ(put("/dir/new/way", whole(777), &changed), 0);
        CHECK_EQ(put("/dir/new/way", whole(4096), &changed), 0);
        CHECK_EQ(shell_in_scratch("e2fsck -fn image"), 0);
        CHECK_EQ(
            shell_in_scratch(
                "debugfs -R 'cat /dir/new/way/random' image 2>/dev/null | cmp - tree/random && "
                "debugfs -R 'cat /sparse' image 2>/dev/null | cmp - tree/sparse && "
                "[ \"$(debugfs -R 'cat /many/a-name-of-some-length-77' image)\" = 77 ]"),
            0);
    }
}

static void broken_off(void)
{
    struct files_changed changed = {.names = 0};
    struct feed feed;

    make_archive();
    make_image("");
    for (size_t end = 0; end < archive_length; end += 50021) {
        feed = whole(1 << 16);
        feed.end = end;
        feed.then = -ECANCELED;
        CHECK_EQ(put("/", feed, &changed), -ECANCELED);
        CHECK_EQ(shell_in_scratch("cp --sparse=always keep image"), 0);
    }
    feed = whole(1 << 16);
    feed.then = -EIO; /* behind the end of the archive */
    CHECK_EQ(put("/", feed, &changed), -EIO);
}

static unsigned draw(void)
{
    static unsigned long long state = 42;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33);
}

/* No byte of an archive makes anything but a refusal or a sound file system. */
static void wrong_bytes(void)
{
    struct files_changed changed = {.names = 0};

    make_archive();
    for (unsigned i = 0; i < 90; i++) {
        int r;

        if (i % 30 == 0)
            make_image(kinds[i / 30]);
        read_archive();
        for (unsigned k = 0; k < 1 + i % 30; k++) {
            /* headers more often than content */
            const size_t at = i % 2 == 0 ? draw() % archive_length
                                         : draw() % (archive_length / 512) * 512 + draw() % 160;

            archive[at % archive_length] = (unsigned char)draw();
        }
        r = put(i % 3 == 0 ? "/" : "/dir/x", whole(1 << 16), &changed);
        if (r != 0)
            CHECK(varve_error()[0] != '\0');
        if (r == 0)
            CHECK_EQ(shell_in_scratch("e2fsck -fn image"), 0);
        CHECK_EQ(shell_in_scratch("cp --sparse=always keep image"), 0);
    }
}

/* What an image holds is not to be trusted either. */
static void damaged_images(void)
{
    struct files_changed changed = {.names = 0};

    make_archive();
    for (unsigned i = 0; i < 45; i++) {
        if (i % 15 == 0)
            make_image(kinds[i / 15]);
        for (unsigned k = 0; k < 200; k++) {
            unsigned char byte = (unsigned char)draw();

            CHECK_EQ(pwrite(fd, &byte, 1, 2048 + draw() % (2u << 20)), 1);
        }
        (void)put("/", whole(1 << 16), &changed);
        (void)put("/dir/new", whole(1 << 16), &changed);
        CHECK_EQ(shell_in_scratch("cp --sparse=always keep image"), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"sound archives", sound_archives},
        {"broken off", broken_off},
        {"wrong bytes", wrong_bytes},
        {"damaged images", damaged_images},
    };
    const int failed = check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);

    free(archive);
    return failed;
}
