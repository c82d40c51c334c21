/* Where content lies: read from there it is the file, on each kind of ext file system; and on
 * damaged ones the walk ends, with an error or without, and does not die. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <varve/error.h>

#include "check.h"
#include "files/contents.h"
#include "scratch.h"
#include "shell.h"

enum { SIZE = 12 << 20, FILE_MAX_BYTES = 2 << 20 };

static unsigned char *image;

static int memory_read(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    (void)opaque;
    if (offset > SIZE || length > SIZE - offset)
        return varve_fail(EIO, "past the end");
    memcpy(buffer, image + offset, length);
    return 0;
}

static int never_write(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    (void)opaque, (void)buffer, (void)length, (void)offset;
    abort();
}

static int never_zero(void *opaque, uint64_t length, uint64_t offset)
{
    return never_write(opaque, NULL, (size_t)length, offset);
}

static const struct files_target target = {memory_read, never_write, never_zero, NULL, SIZE};

/* --- what is read ---------------------------------------------------------------------------- */

static struct {
    unsigned char bytes[FILE_MAX_BYTES + 4096];
    char path[300];
    uint64_t size, last; /* last: where the last run ended */
    unsigned compared, inlined;
    bool regular;
} now;

static int on_file(void *opaque, const struct varve_file *file, const struct contents_stamp *stamp)
{
    (void)opaque, (void)stamp;
    (void)snprintf(now.path, sizeof now.path, "%s", file->path);
    now.size = file->size;
    now.regular = S_ISREG(file->mode);
    now.last = 0;
    memset(now.bytes, 0, sizeof now.bytes);
    return 0;
}

static int on_run(void *opaque, uint64_t logical, uint64_t physical, uint64_t length)
{
    (void)opaque;
    CHECK(logical >= now.last && length > 0);
    CHECK(physical < SIZE && length <= SIZE - physical);
    now.last = logical + length;
    if (now.last <= sizeof now.bytes)
        memcpy(now.bytes + logical, image + physical, length);
    return 0;
}

static int on_bytes(void *opaque, const void *bytes, size_t length)
{
    (void)opaque;
    CHECK(length <= 4096);
    memcpy(now.bytes, bytes, length);
    now.inlined++;
    return 0;
}

static int compare(void *opaque)
{
    char path[800];
    static unsigned char wanted[FILE_MAX_BYTES];
    FILE *file;

    (void)opaque;
    if (!now.regular)
        return 0;
    (void)snprintf(path, sizeof path, "%s/%s", scratch_path("tree"), now.path);
    file = fopen(path, "re");
    CHECK(file != NULL);
    CHECK_EQ(fread(wanted, 1, sizeof wanted, file), now.size);
    (void)fclose(file);
    CHECK(memcmp(wanted, now.bytes, now.size) == 0);
    now.compared++;
    return 0;
}

static int nothing(void *opaque)
{
    (void)opaque;
    return 0;
}

static void make(const char *options)
{
    char line[2000];
    FILE *file;

    CHECK_EQ(setenv("SCRATCH", scratch(), 1), 0);
    (void)snprintf(line, sizeof line,
                   "cd \"$SCRATCH\" && rm -rf tree image && mkdir -p tree/many && cd tree && "
                   "head -c 1500000 /dev/urandom >large && echo tiny >tiny && : >empty && "
                   "truncate -s 1990000 holes && for i in 1 5 9 13 17 21 25 199; do echo $i | "
                   "dd of=holes bs=1 seek=${i}0000 conv=notrunc status=none; done && "
                   "for i in $(seq 300); do echo $i >many/file-$i; done && cd .. && "
                   "truncate -s %d image && mke2fs -q -F %s -d tree image",
                   SIZE, options);
    CHECK_EQ(shell(line), 0);
    file = fopen(scratch_path("image"), "re");
    CHECK(file != NULL);
    CHECK_EQ(fread(image, 1, SIZE, file), SIZE);
    (void)fclose(file);
}

static const char *const kinds[] = {"-t ext4", "-t ext2 -b 1024", "-t ext3 -b 2048",
                                    "-t ext4 -O inline_data,^has_journal -I 256",
                                    "-t ext4 -O ^metadata_csum,^has_journal"};

static void content_is_where_it_says(void)
{
    static const struct contents_visitor visitor = {NULL, on_file, on_run, on_bytes, compare};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        make(kinds[i]);
        now.compared = now.inlined = 0;
        if (contents_walk(&target, "test", &visitor) != 0)
            check_failed(__FILE__, __LINE__, "%s: %s", kinds[i], varve_error());
        CHECK_EQ(now.compared, 304);
        CHECK((now.inlined > 0) == (strstr(kinds[i], "inline") != NULL));
    }
}

/* Bytes are changed where the image holds any. */
static void damage_ends(void)
{
    static const struct contents_visitor visitor = {NULL, on_file, on_run, on_bytes, nothing};
    unsigned char *whole = malloc(SIZE);
    uint64_t seed = 42;

    CHECK(whole != NULL);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        unsigned refused = 0;

        make(kinds[i]);
        memcpy(whole, image, SIZE);
        for (int round = 0; round < 100; round++) {
            for (unsigned n = 0; n < 1 + (unsigned)round % 40;) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                size_t at = (size_t)(seed >> 33) % (round % 2 ? SIZE : SIZE / 8);

                if (whole[at] == 0)
                    continue;
                image[at] = (unsigned char)(seed >> 20);
                n++;
            }
            if (contents_walk(&target, "test", &visitor) != 0) {
                refused++;
                CHECK(varve_error()[0] != '\0');
            }
            memcpy(image, whole, SIZE);
        }
        CHECK(refused > 0);
    }
    free(whole);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"content is where it says", content_is_where_it_says}, {"damage ends", damage_ends}};

    image = malloc(SIZE);
    return image == NULL ? 1 : check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
