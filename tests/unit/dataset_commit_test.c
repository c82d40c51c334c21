/* Commit, verify and diff of versions: what they answer, what they refuse, what a commit costs, and
 * that one which fails leaves no trace. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <varve/commit.h>
#include <varve/dataset.h>
#include <varve/progress.h>

#include "catalog/catalog_versions.h"
#include "trial_store.h"
#include "volume/served_store.h"

enum { LEAVES = 12 };

static struct varve *varve;

static void begin(const char *name)
{
    const struct varve_dataset_options options = {.name = "ds"};

    varve = trial_open(trial_make(name), 0);
    CHECK_EQ(varve_dataset_create(varve, &options, NULL), 0);
}

static void end(void)
{
    struct varve_check_result result;

    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(varve_close(varve), 0);
}

/* A version of that size, or a clone. */
static struct varve_version make(const char *from, uint64_t size)
{
    const struct varve_version_options options = {.from = from, .size = size};
    struct varve_version version;

    if (varve_version_create(varve, "ds", &options, &version) != 0)
        check_failed(__FILE__, __LINE__, "create: %s", varve_error());
    return version;
}

static int put(const struct varve_version *version, uint64_t offset, const void *bytes,
               size_t length)
{
    struct store_image *image;
    int r;

    CHECK_EQ(store_image_open(varve->store, version->image, &image), 0);
    r = store_write(varve->store, image, bytes, length, offset, 0);
    store_image_close(varve->store, image);
    return r;
}

static struct varve_commit commit(const struct varve_version *version)
{
    struct varve_commit made;

    if (varve_version_commit(varve, version->ref, 0, &made) != 0)
        check_failed(__FILE__, __LINE__, "commit: %s", varve_error());
    return made;
}

static unsigned flags_of(uint64_t image)
{
    struct store_image_info info;

    CHECK_EQ(store_image_stat(varve->store, image, &info), 0);
    return info.flags;
}

static unsigned count_images(void)
{
    struct store_image_info info = {.image = 0};
    unsigned count = 0;

    while (store_image_next(varve->store, info.image, &info) == 0)
        count++;
    return count;
}

static void a_commit_freezes_and_says_so_again(void)
{
    struct varve_commit first, again;
    struct varve_version version, shown;

    begin("freezes");
    version = make(NULL, LEAVES * (uint64_t)MIB);
    CHECK_EQ(put(&version, 3 * MIB + 5, "varve", 5), 0);
    first = commit(&version);
    CHECK(!first.already && first.sequence == 1);
    CHECK_EQ(first.leaves, LEAVES);
    CHECK_EQ(first.hashed, 1);
    CHECK_EQ(first.reused, 0);
    CHECK_HAS(first.class, "raw");
    /* tests/digest/recompute.py of these bytes */
    CHECK_HAS(first.digest, "31ae7a40b5c0190d1d4ede33970bb89a8e408c98405e024651dacc849ac2c965");
    CHECK_EQ(put(&version, 0, "x", 1), -EPERM);
    again = commit(&version);
    CHECK(again.already && again.sequence == 1);
    CHECK_HAS(again.digest, first.digest);
    CHECK_EQ(varve_version_show(varve, "ds:latest", &shown), 0);
    CHECK_HAS(shown.digest, first.digest);
    CHECK_HAS(shown.ref, first.ref);
    end();
}

static void the_next_one_costs_what_changed(void)
{
    struct varve_version one, two, three, larger, smaller, copy;
    struct varve_commit made, whole;
    static char leaf[MIB];

    begin("costs");
    one = make(NULL, LEAVES * (uint64_t)MIB);
    for (unsigned i = 0; i < LEAVES; i++) {
        memset(leaf, (int)i + 1, sizeof leaf);
        CHECK_EQ(put(&one, (uint64_t)i * MIB, leaf, sizeof leaf), 0);
    }
    CHECK_EQ(commit(&one).hashed, LEAVES);
    two = make(one.ref, 0);
    made = commit(&two);
    CHECK_EQ(made.hashed, 0);
    CHECK_EQ(made.reused, LEAVES);
    three = make(two.ref, 0);
    CHECK_EQ(put(&three, 7 * MIB - 1, "ab", 2), 0);
    made = commit(&three);
    CHECK_EQ(made.hashed, 2);
    CHECK_EQ(made.reused, LEAVES - 2);
    /* The same content by another way has the same digest. */
    copy = make(NULL, LEAVES * (uint64_t)MIB);
    for (unsigned i = 0; i < LEAVES; i++) {
        memset(leaf, (int)i + 1, sizeof leaf);
        CHECK_EQ(put(&copy, (uint64_t)i * MIB, leaf, sizeof leaf), 0);
    }
    CHECK_EQ(put(&copy, 7 * MIB - 1, "ab", 2), 0);
    whole = commit(&copy);
    CHECK_EQ(whole.hashed, LEAVES);
    CHECK_HAS(whole.digest, made.digest);
    /* Sizes that end inside a leaf, up and down. */
    larger = make(three.ref, LEAVES * (uint64_t)MIB + 3 * MIB + 4096);
    CHECK_EQ(put(&larger, 14 * MIB, "end", 3), 0);
    made = commit(&larger);
    CHECK(made.hashed <= 2 && made.leaves == LEAVES + 4);
    smaller = make(larger.ref, 0);
    CHECK_EQ(store_image_resize(varve->store, smaller.image, LEAVES * (uint64_t)MIB), 0);
    made = commit(&smaller);
    CHECK(made.hashed <= 1 && made.leaves == LEAVES);
    CHECK_HAS(made.digest, whole.digest);
    end();
}

static void reopen(const char *dir)
{
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(scratch_path(dir), 0);
}

static void label_is(uint64_t image, const char *wanted)
{
    struct store_image_info info;

    CHECK_EQ(store_image_stat(varve->store, image, &info), 0);
    if (strcmp(info.label, wanted) != 0)
        check_failed(__FILE__, __LINE__, "label \"%s\", not \"%s\"", info.label, wanted);
}

/* Frozen, with a tree or without, and no row: as it was, and a commit goes through. */
static void cut_before_the_row(void)
{
    struct varve_version version;
    char label[96];
    uint64_t tree = 0;
    unsigned images;

    begin("before");
    version = make(NULL, MIB);
    images = count_images();
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(store_image_change_flags(varve->store, version.image, STORE_IMAGE_FROZEN, 0), 0);
        snprintf(label, sizeof label, "new tree %s %s", version.dataset, version.id);
        if (i == 1)
            CHECK_EQ(store_image_create(varve->store, 8192, 0, label, &tree), 0);
        reopen("before");
        CHECK_EQ(flags_of(version.image), 0);
        CHECK_EQ(count_images(), images);
        CHECK_EQ(put(&version, 0, "x", 1), 0);
    }
    CHECK_EQ(commit(&version).hashed, 1);
    end();
}

/* The row is there, and the labels are as they were: committed, and the labels follow. */
static void cut_behind_the_row(void)
{
    struct varve_verification found;
    struct catalog_version row;
    struct varve_version version;
    struct catalog *catalog;
    char old[96], tree[96], live[96], live_tree[96];

    begin("behind");
    version = make(NULL, MIB);
    (void)commit(&version);
    CHECK_EQ(names_enter(varve, &catalog), 0);
    CHECK_EQ(catalog_version_of_image(catalog, version.image, &row), 0);
    names_leave(varve);
    snprintf(old, sizeof old, "version %s %s", row.dataset, row.id);
    snprintf(live, sizeof live, "version %s %s 1", row.dataset, row.id);
    snprintf(tree, sizeof tree, "new tree %s %s", row.dataset, row.id);
    snprintf(live_tree, sizeof live_tree, "tree %s %s", row.dataset, row.id);
    label_is(version.image, live);
    label_is(row.tree_image, live_tree);
    CHECK_EQ(store_image_set_label(varve->store, version.image, old), 0);
    CHECK_EQ(store_image_set_label(varve->store, row.tree_image, tree), 0);
    reopen("behind");
    label_is(version.image, live);
    label_is(row.tree_image, live_tree);
    CHECK_EQ(flags_of(version.image), STORE_IMAGE_FROZEN);
    CHECK_EQ(varve_version_verify(varve, version.ref, NULL, NULL, &found), 0);
    CHECK(found.sound && !found.record_damaged);
    end();
}

/* What was committed is never thawed for an older catalog's sake. */
static void a_number_in_the_label_keeps_it_frozen(void)
{
    struct varve_version version;
    char label[96];

    begin("older");
    version = make(NULL, MIB);
    snprintf(label, sizeof label, "version %s %s 3", version.dataset, version.id);
    CHECK_EQ(store_image_set_label(varve->store, version.image, label), 0);
    CHECK_EQ(store_image_change_flags(varve->store, version.image, STORE_IMAGE_FROZEN, 0), 0);
    reopen("older");
    CHECK_EQ(flags_of(version.image), STORE_IMAGE_FROZEN);
    label_is(version.image, label);
    end();
}

struct damages {
    unsigned count;
    struct varve_damage last;
};

static int keep_damage(void *opaque, const struct varve_damage *damage)
{
    struct damages *damages = opaque;

    damages->count++;
    damages->last = *damage;
    return 0;
}

static void thaw(uint64_t image, unsigned set, unsigned clear)
{
    CHECK_EQ(store_image_change_flags(varve->store, image, set, clear), 0);
}

static void verify_names_what_differs(void)
{
    struct varve_version version, open;
    struct varve_verification found;
    struct damages damages = {.count = 0};

    begin("verify");
    version = make(NULL, 5 * MIB + 512);
    open = make(NULL, MIB);
    CHECK_EQ(put(&version, 2 * MIB, "here", 4), 0);
    (void)commit(&version);
    CHECK_EQ(varve_version_verify(varve, version.ref, keep_damage, &damages, &found), 0);
    CHECK(found.sound && damages.count == 0 && !found.record_damaged);
    CHECK_HAS(found.found, found.digest);
    CHECK_EQ(found.read, MIB);
    CHECK_EQ(varve_version_verify(varve, open.ref, NULL, NULL, &found), -EINVAL);
    CHECK_EQ(varve_version_verify(varve, "ds:nothing", NULL, NULL, &found), -ENOENT);
    /* What no path of varve can do. */
    thaw(version.image, 0, STORE_IMAGE_FROZEN);
    CHECK_EQ(put(&version, 5 * MIB, "x", 1), 0);
    CHECK_EQ(varve_version_verify(varve, version.ref, keep_damage, &damages, &found), 0);
    CHECK(!found.sound && damages.count == 1 && damages.last.kind == VARVE_DAMAGE_DIFFERS);
    CHECK_EQ(damages.last.offset, 5 * MIB);
    CHECK_EQ(damages.last.length, 512);
    CHECK_EQ(found.damaged, 512);
    end();
}

/* The tree is hurt and the content is not: verify can tell. */
static void verify_knows_a_damaged_record(void)
{
    struct catalog_version row;
    struct varve_version version;
    struct varve_verification found;
    struct catalog *catalog;
    struct store_image *tree;

    begin("record");
    version = make(NULL, 3 * MIB);
    CHECK_EQ(put(&version, 0, "here", 4), 0);
    (void)commit(&version);
    CHECK_EQ(names_enter(varve, &catalog), 0);
    CHECK_EQ(catalog_version_of_image(catalog, version.image, &row), 0);
    names_leave(varve);
    CHECK_EQ(flags_of(row.tree_image), STORE_IMAGE_FROZEN);
    thaw(row.tree_image, 0, STORE_IMAGE_FROZEN);
    CHECK_EQ(store_image_open(varve->store, row.tree_image, &tree), 0);
    CHECK_EQ(store_write(varve->store, tree, "?", 1, 4096 + 2 * 32, 0), 0);
    store_image_close(varve->store, tree);
    CHECK_EQ(varve_version_verify(varve, version.ref, NULL, NULL, &found), 0);
    CHECK(found.record_damaged && found.sound && found.damages == 0);
    end();
}

static void a_failed_write_stops_the_commit(void)
{
    struct varve_version version;
    struct varve_commit made;

    begin("incomplete");
    version = make(NULL, MIB);
    thaw(version.image, STORE_IMAGE_INCOMPLETE, 0);
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), -EBUSY);
    CHECK_HAS(varve_error(), "a write to it failed");
    CHECK_EQ(flags_of(version.image), STORE_IMAGE_INCOMPLETE);
    CHECK_EQ(varve_version_commit(varve, version.ref, VARVE_COMMIT_ALLOW_INCOMPLETE, &made), 0);
    CHECK_EQ(flags_of(version.image), STORE_IMAGE_FROZEN);
    end();
}

/* The superblock of an ext4 that is mounted, as far as anybody looks at it. */
static void a_dirty_file_system_is_refused(void)
{
    struct varve_version version;
    struct varve_commit made;
    unsigned char super[1024] = {0};
    unsigned images;

    begin("dirty");
    version = make(NULL, 8 * MIB);
    super[0] = 16;      /* inodes */
    super[5] = 0x20;    /* blocks: 8192 */
    super[0x38] = 0x53; /* magic */
    super[0x39] = 0xef;
    super[0x3a] = 0;        /* state: not valid */
    super[0x4c] = 1;        /* revision */
    super[0x5c] = 4;        /* has a journal */
    super[0x60] = 4 | 0x40; /* needs recovery; extents: ext4 */
    super[0x20] = super[0x22 - 1] = 0x20;
    CHECK_EQ(put(&version, 1024, super, sizeof super), 0);
    images = count_images();
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), -EBUSY);
    CHECK_HAS(varve_error(), "journal needs recovery");
    CHECK_HAS(varve_error(), "--allow-dirty");
    CHECK_EQ(flags_of(version.image), 0);
    CHECK_EQ(put(&version, 100, "x", 1), 0);
    CHECK_EQ(count_images(), images);
    CHECK_EQ(varve_version_commit(varve, version.ref, VARVE_COMMIT_ALLOW_DIRTY, &made), 0);
    CHECK_HAS(made.class, "dirty");
    end();
}

static void what_is_cancelled_leaves_no_trace(void)
{
    struct varve_version version;
    struct varve_commit made;
    unsigned images;

    begin("cancelled");
    version = make(NULL, 2 * MIB);
    CHECK_EQ(put(&version, 0, "x", 1), 0);
    images = count_images();
    CHECK_EQ(varve_operation_begin("me", "a commit"), 0);
    CHECK_EQ(varve_operation_cancel("me"), 0);
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), -ECANCELED);
    varve_operation_end();
    CHECK_EQ(flags_of(version.image), 0);
    CHECK_EQ(count_images(), images);
    CHECK_EQ(put(&version, 0, "y", 1), 0);
    (void)commit(&version);
    end();
}

struct writer {
    const struct varve_version *version;
    unsigned written;
    int last;
};

static void *write_until_refused(void *opaque)
{
    struct writer *writer = opaque;
    struct store_image *image;
    char block[8192];

    if (store_image_open(varve->store, writer->version->image, &image) != 0)
        return NULL;
    do {
        memset(block, (int)(writer->written % 255) + 1, sizeof block);
        writer->last = store_write(varve->store, image, block, sizeof block,
                                   writer->written * 4096 * 7 % (4 * MIB), 0);
        writer->written += writer->last == 0;
    } while (writer->last == 0 && writer->written < 1000000);
    store_image_close(varve->store, image);
    return NULL;
}

static void writers_meet_the_freeze(void)
{
    enum { WRITERS = 4 };
    struct varve_version version;
    struct varve_verification found;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    struct varve_commit made;
    int r;

    begin("race");
    version = make(NULL, 8 * MIB);
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.version = &version};
        CHECK_EQ(pthread_create(&threads[i], NULL, write_until_refused, &writers[i]), 0);
    }
    r = varve_version_commit(varve, version.ref, 0, &made);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(r, 0);
    for (unsigned i = 0; i < WRITERS; i++)
        CHECK_EQ(writers[i].last, -EPERM);
    CHECK_EQ(varve_version_verify(varve, version.ref, NULL, NULL, &found), 0);
    CHECK(found.sound);
    CHECK_HAS(found.found, made.digest);
    end();
}

static void a_diff_is_of_bytes(void)
{
    static char leaf[MIB];
    const struct varve_diff_visitor nobody = {.range = NULL};
    struct varve_diff diff;

    begin("diff");
    CHECK_EQ(trial_create(varve, "a", 4 * MIB), 0);
    CHECK_EQ(trial_create(varve, "b", 5 * MIB), 0);
    CHECK_EQ(varve_version_diff(varve, "a", "b", &nobody, &diff), 0);
    CHECK(diff.changed == 0 && diff.ranges == 0 && diff.to_size == 5 * MIB);
    memset(leaf, 9, sizeof leaf);
    for (unsigned i = 0; i < 2; i++) {
        struct varve_volume volume;
        struct varve_version as_version = {.image = 0};

        CHECK_EQ(varve_volume_show(varve, i == 0 ? "a" : "b", &volume), 0);
        as_version.image = volume.image;
        CHECK_EQ(put(&as_version, MIB, leaf, sizeof leaf), 0);
        if (i == 1) {
            CHECK_EQ(put(&as_version, MIB + 8192, "x", 1), 0);
            CHECK_EQ(put(&as_version, 5 * MIB - 1, "x", 1), 0);
        }
    }
    CHECK_EQ(varve_version_diff(varve, "a", "b", &nobody, &diff), 0);
    CHECK_EQ(diff.ranges, 2);
    CHECK_EQ(diff.changed, 8192);
    CHECK_EQ(varve_version_diff(varve, "b", "a", &nobody, &diff), 0);
    CHECK_EQ(diff.changed, 8192);
    CHECK_EQ(varve_version_diff(varve, "a", "none", &nobody, &diff), -ENOENT);
    end();
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a commit freezes and says so again", a_commit_freezes_and_says_so_again},
        {"the next one costs what changed", the_next_one_costs_what_changed},
        {"cut before the row", cut_before_the_row},
        {"cut behind the row", cut_behind_the_row},
        {"a number in the label keeps it frozen", a_number_in_the_label_keeps_it_frozen},
        {"verify names what differs", verify_names_what_differs},
        {"verify knows a damaged record", verify_knows_a_damaged_record},
        {"a failed write stops the commit", a_failed_write_stops_the_commit},
        {"a dirty file system is refused", a_dirty_file_system_is_refused},
        {"what is cancelled leaves no trace", what_is_cancelled_leaves_no_trace},
        {"writers meet the freeze", writers_meet_the_freeze},
        {"a diff is of bytes", a_diff_is_of_bytes},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
