/* Manifests: their lines, their digests against ones computed from the files, what is read again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <varve/commit.h>
#include <varve/file_tree.h>
#include <varve/import.h>

#include "catalog/catalog_versions.h"
#include "dataset/manifest_image.h"
#include "dataset/rename_pairs.h"
#include "trial_store.h"
#include "volume/served_store.h"

enum { LARGE = 24 * MIB + 5, SPARSE = 40 * MIB + 7000 };

static struct varve *varve;

/* --- lines ----------------------------------------------------------------------------------- */

static struct manifest_line sample(void)
{
    struct manifest_line line = {.path = "a/new\nline\\\x01 \xff\t",
                                 .target = "to\x7f",
                                 .type = 'l',
                                 .mode = 04711,
                                 .uid = 4000000000u,
                                 .gid = 7,
                                 .inode = 12,
                                 .generation = 99,
                                 .size = UINT64_MAX,
                                 .mtime = -5,
                                 .mtime_nanoseconds = 1,
                                 .ctime = (int64_t)1 << 33,
                                 .ctime_nanoseconds = 999999999};

    memset(line.digest, 'a', DIGEST_TEXT);
    return line;
}

static void lines_come_back(void)
{
    static char text[MANIFEST_LINE_MAX], again[MANIFEST_LINE_MAX];
    static struct manifest_line line, read;
    size_t length;

    line = sample();
    length = manifest_line_print(&line, text);
    CHECK_EQ(strlen(text), length);
    CHECK(text[length - 1] == '\n' && strchr(text, '\n') == text + length - 1);
    CHECK_HAS(text, "a/new\\012line\\134\\001 \xff\\011\tl\t4711\t4000000000\t7\t");
    text[length - 1] = '\0';
    CHECK(manifest_line_parse(text, &read));
    CHECK(strcmp(read.path, line.path) == 0 && !manifest_line_differs(&read, &line));
    CHECK_EQ(manifest_line_print(&read, again), length);
    CHECK(read.mtime == -5 && read.ctime == (int64_t)1 << 33 && read.inode == 12);
}

static void bad_lines_are_refused(void)
{
    static char text[MANIFEST_LINE_MAX], cut[MANIFEST_LINE_MAX];
    static struct manifest_line line, read;
    size_t length;

    line = sample();
    length = manifest_line_print(&line, text) - 1;
    text[length] = '\0';
    /* every beginning of it that ends before the target is too short */
    for (size_t i = 0; i < length - strlen("to\\177"); i++) {
        memcpy(cut, text, i);
        cut[i] = '\0';
        CHECK(!manifest_line_parse(cut, &read));
    }
    static const char *const bad[] = {"",
                                      "\t",
                                      "a",
                                      "a\\9\tf",
                                      "a\\000\tf\t0\t0\t0\t0\t0.0\t0.0\t1.0\t-\t-",
                                      "a\tf\t99\t0\t0\t0\t0.0\t0.0\t1.0\t-\t-",
                                      "a\tf\t0\t-1\t0\t0\t0.0\t0.0\t1.0\t-\t-"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)snprintf(cut, sizeof cut, "%s", bad[i]);
        CHECK(!manifest_line_parse(cut, &read));
    }
}

static void order_of_paths(void)
{
    static const char *const sorted[] = {"a", "a/b", "a/b/c", "a/c", "a b", "a-b", "aa", "b"};

    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++) {
            int order = manifest_path_compare(sorted[i], sorted[j]);

            CHECK_EQ((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

/* --- renames --------------------------------------------------------------------------------- */

/* A file of size bytes whose digest is one letter many times. */
static const struct manifest_line *file_of(const char *path, char content, uint64_t size)
{
    static struct manifest_line line;

    (void)snprintf(line.path, sizeof line.path, "%s", path);
    memset(line.digest, content, DIGEST_TEXT);
    line.type = 'f';
    line.size = size;
    return &line;
}

struct change {
    const char *path;
    bool added;
    char content;
    uint64_t size;
    const char *partner; /* that it must get */
};

static void pairs_are(const struct change *changes, size_t count, uint64_t wanted)
{
    struct rename_pairs *pairs;

    CHECK_EQ(rename_pairs_new(&pairs), 0);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(rename_pairs_add(pairs,
                                  file_of(changes[i].path, changes[i].content, changes[i].size),
                                  changes[i].added),
                 0);
    CHECK_EQ(rename_pairs_find(pairs), wanted);
    CHECK(!rename_pairs_too_many(pairs));
    for (size_t i = 0; i < count; i++) {
        const char *partner =
            rename_pairs_next(pairs, file_of(changes[i].path, changes[i].content, changes[i].size));

        CHECK((partner == NULL) == (changes[i].partner == NULL));
        CHECK(partner == NULL || strcmp(partner, changes[i].partner) == 0);
    }
    rename_pairs_free(pairs);
}

static void renames_are_paired(void)
{
    static const struct change simple[] = {
        {"a", false, 'a', 5, "z/b"},   {"empty", false, 'e', 0, NULL},
        {"gone", false, 'g', 5, NULL}, {"new-empty", true, 'e', 0, NULL},
        {"other", true, 'o', 5, NULL}, {"size", false, 's', 5, NULL},
        {"size2", true, 's', 6, NULL}, {"z/b", true, 'a', 5, "a"}};
    /* of one content: the last name counts, then the order; what is left over is no rename */
    static const struct change alike[] = {{"new/one", true, 'x', 9, "old/one"},
                                          {"new/three", true, 'x', 9, "old/two"},
                                          {"new/two2", true, 'x', 9, NULL},
                                          {"old/one", false, 'x', 9, "new/one"},
                                          {"old/two", false, 'x', 9, "new/three"}};

    pairs_are(simple, sizeof simple / sizeof simple[0], 1);
    pairs_are(alike, sizeof alike / sizeof alike[0], 2);
    pairs_are(NULL, 0, 0);
}

static void too_many_names_are_no_renames(void)
{
    static char path[4000];
    struct rename_pairs *pairs;
    bool full = false;

    CHECK_EQ(rename_pairs_new(&pairs), 0);
    memset(path, 'p', sizeof path - 1);
    for (unsigned i = 0; !full; i++) {
        CHECK(i < 20000);
        CHECK_EQ(rename_pairs_add(pairs, file_of(path, 'c', 1), i % 2 == 0), 0);
        full = rename_pairs_too_many(pairs);
    }
    CHECK_EQ(rename_pairs_find(pairs), 0);
    CHECK(rename_pairs_next(pairs, file_of(path, 'c', 1)) == NULL);
    rename_pairs_free(pairs);
}

/* --- of versions ----------------------------------------------------------------------------- */

static unsigned char *content; /* LARGE or SPARSE bytes at most */

static const char *make_files(void)
{
    static char folder[512], path[600];

    (void)snprintf(folder, sizeof folder, "%s/files/", scratch());
    CHECK(mkdir(folder, 0755) == 0);
    content = calloc(1, SPARSE);
    for (size_t i = 0; i < LARGE; i++)
        content[i] = (unsigned char)(i * 2654435761u >> 13);
    for (int which = 0; which < 3; which++) {
        static const char *const names[] = {"large", "small", "empty"};
        static const size_t sizes[] = {LARGE, 5000, 0};
        int file;

        (void)snprintf(path, sizeof path, "%s%s", folder, names[which]);
        file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        CHECK(write(file, content, sizes[which]) == (ssize_t)sizes[which]);
        close(file);
    }
    (void)snprintf(path, sizeof path, "%ssparse", folder);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    CHECK(ftruncate(file, SPARSE) == 0);
    CHECK(pwrite(file, content, 10000, 3 * MIB - 5000) == 10000);
    CHECK(pwrite(file, content, 100, 30 * MIB) == 100);
    close(file);
    return folder;
}

static void digest_of(const unsigned char *bytes, uint64_t size, char text[DIGEST_TEXT + 1])
{
    static struct digest_shape shape;
    static struct digest_fold fold;
    struct digest digest = {{0}};

    CHECK_EQ(digest_shape_of(DIGEST_FLAT, size, &shape), 0);
    digest_fold_begin(&fold, &shape);
    for (uint64_t leaf = 0; leaf < shape.leaves; leaf++) {
        CHECK_EQ(digest_leaf(&shape, leaf, bytes + (leaf << DIGEST_LEAF_SHIFT), &digest), 0);
        CHECK_EQ(digest_fold_leaf(&fold, &digest), 0);
    }
    CHECK_EQ(digest_fold_end(&fold, &digest), 0);
    digest_print(&digest, text);
}

static uint64_t manifest_of(const char *ref)
{
    struct catalog_version row;
    struct varve_version version;
    struct catalog *catalog;

    CHECK_EQ(varve_version_show(varve, ref, &version), 0);
    CHECK_EQ(names_enter(varve, &catalog), 0);
    CHECK_EQ(catalog_version_of_image(catalog, version.image, &row), 0);
    names_leave(varve);
    CHECK(row.manifest_image != 0);
    return row.manifest_image;
}

static void digests_are_of_the_files(uint64_t manifest)
{
    struct manifest_reader *reader;
    const struct manifest_line *line;
    char wanted[DIGEST_TEXT + 1];
    unsigned checked = 0;

    CHECK_EQ(manifest_open(varve->store, manifest, &reader), 0);
    for (;;) {
        CHECK_EQ(manifest_next(reader, &line), 0);
        if (line == NULL)
            break;
        if (strcmp(line->path, "sparse") == 0) {
            unsigned char *sparse = calloc(1, SPARSE);

            memcpy(sparse + 3 * MIB - 5000, content, 10000);
            memcpy(sparse + 30 * MIB, content, 100);
            digest_of(sparse, SPARSE, wanted);
            free(sparse);
        } else if (line->type == 'f') {
            digest_of(content, line->size, wanted);
        } else {
            continue;
        }
        if (strcmp(line->digest, wanted) != 0)
            check_failed(__FILE__, __LINE__, "%s: %s, not %s", line->path, line->digest, wanted);
        checked++;
    }
    manifest_close(reader);
    CHECK_EQ(checked, 4);
}

/* Makes the manifest of `ref` again, with what the version `base` (NULL: none) knows: it is the
 * same. Returns the bytes that this read. */
static uint64_t make_again(const char *ref, const char *base)
{
    struct store_image *image, *shared = NULL;
    struct varve_version version, from;
    struct manifest_difference difference;
    struct store_stats before, after;
    uint64_t again, files;
    bool made;

    CHECK_EQ(varve_version_show(varve, ref, &version), 0);
    CHECK_EQ(store_image_create(varve->store, 4096, 0, "", &again), 0);
    CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
    if (base != NULL) {
        CHECK_EQ(varve_version_show(varve, base, &from), 0);
        CHECK_EQ(store_image_open(varve->store, from.image, &shared), 0);
    }
    store_get_stats(varve->store, &before);
    CHECK_EQ(manifest_make(varve->store, image, ref, shared, base ? manifest_of(base) : 0, again,
                           &files, &made),
             0);
    store_get_stats(varve->store, &after);
    store_image_close(varve->store, image);
    store_image_close(varve->store, shared);
    CHECK(made);
    CHECK_EQ(files, version.files);
    CHECK_EQ(manifest_compare(varve->store, manifest_of(ref), again, NULL, NULL, &difference), 0);
    CHECK_EQ(difference.added + difference.removed + difference.changed, 0);
    CHECK_EQ(store_image_delete(varve->store, again), 0);
    return after.read_bytes - before.read_bytes;
}

/* Its first block is found by its bytes; nothing else of the file system changes. */
static void change_block_of_large(const struct varve_version *version)
{
    struct store_image *image;
    unsigned char block[4096];
    bool found = false;

    CHECK_EQ(store_image_open(varve->store, version->image, &image), 0);
    for (uint64_t at = 0; at < version->size; at += sizeof block) {
        CHECK_EQ(store_read(varve->store, image, block, sizeof block, at), 0);
        if (memcmp(block, content, sizeof block) != 0)
            continue;
        /* of the small one too, which begins with the same bytes and comes behind it */
        block[0] ^= 1;
        CHECK_EQ(store_write(varve->store, image, block, sizeof block, at, 0), 0);
        found = true;
        break;
    }
    CHECK(found);
    store_image_close(varve->store, image);
}

static void digests_and_what_is_read_again(void)
{
    const struct varve_dataset_options dataset = {.name = "ds"};
    const char *folder = make_files();
    const struct varve_import_options files = {.sources = &folder, .source_count = 1};
    const struct varve_diff_visitor nothing = {.opaque = NULL};
    struct varve_version first, second, third;
    struct varve_diff diff;
    struct varve_commit commit;
    uint64_t count;

    varve = trial_open(trial_make("manifest"), 0);
    CHECK_EQ(varve_dataset_create(varve, &dataset, NULL), 0);
    CHECK_EQ(varve_version_import(varve, "ds", &files, &first), 0);
    CHECK_EQ(varve_version_commit(varve, first.ref, 0, &commit), 0);
    CHECK(commit.manifest);
    CHECK_EQ(commit.files, 5);
    digests_are_of_the_files(manifest_of(first.ref));
    CHECK(make_again(first.ref, NULL) > LARGE);

    const struct varve_version_options clone = {.from = first.ref};
    CHECK_EQ(varve_version_create(varve, "ds", &clone, &second), 0);
    CHECK_EQ(varve_file_delete(varve, second.ref, "small", &count), 0);
    CHECK_EQ(varve_version_commit(varve, second.ref, 0, &commit), 0);
    CHECK_EQ(commit.files, 4);
    CHECK(make_again(second.ref, NULL) > LARGE);
    CHECK(make_again(second.ref, first.ref) < MIB);

    /* Other bytes in the same place, and nobody said so: the blocks tell. */
    CHECK_EQ(varve_version_create(varve, "ds", &clone, &third), 0);
    change_block_of_large(&third);
    CHECK_EQ(varve_version_commit(varve, third.ref, 0, &commit), 0);
    content[0] ^= 1;
    CHECK(make_again(third.ref, first.ref) > LARGE);
    CHECK_EQ(varve_version_diff(varve, first.ref, third.ref, &nothing, &diff), 0);
    CHECK(diff.files);
    CHECK_EQ(diff.files_changed, 1);
    CHECK_EQ(diff.files_added + diff.files_removed, 0);
    CHECK_EQ(varve_close(varve), 0);
    free(content);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"lines come back", lines_come_back},
        {"bad lines are refused", bad_lines_are_refused},
        {"order of paths", order_of_paths},
        {"renames are paired", renames_are_paired},
        {"too many names are no renames", too_many_names_are_no_renames},
        {"digests, and what is read again", digests_and_what_is_read_again}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
