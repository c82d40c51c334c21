/* Images of every kind after a crash between store and catalog, and after the loss of the catalog.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "catalog/catalog_images.h"
#include "catalog/catalog_snapshots.h"
#include "taken_apart.h"

static const struct catalog_change change = {"test", "planted"};
static const char dataset[] = "ds0123456789abc", version[] = "1abcdef";

static uint64_t plant(const char *label)
{
    uint64_t image = 0;

    CHECK_EQ(store_image_create(store, MIB, 0, label, &image), 0);
    return image;
}

static void reopen_checked(const char *dir, unsigned flags)
{
    struct varve *varve = reopen(dir, flags);
    struct varve_check_result result;

    CHECK_EQ(varve_check(varve, 0, NULL, NULL, &result), 0);
    CHECK_EQ(varve_close(varve), 0);
}

/* "v a=volume a; ..." of what the catalog names; the store's label must agree. */
static void names_are(const char *dir, const char *path, const char *wanted)
{
    static const char marks[] = "vsctm";
    char found[TRIAL_TEXT] = "", line[512];
    struct catalog_image *rows = NULL;
    size_t count = 0;

    take_apart(dir, path);
    CHECK_EQ(catalog_images_read(catalog, &rows, &count), 0);
    for (size_t i = 0; i < count; i++) {
        struct store_image_info info = {.label = ""};

        CHECK_EQ(store_image_stat(store, rows[i].image, &info), 0);
        snprintf(line, sizeof line, "%c %s=%s;", marks[rows[i].kind], rows[i].ref, info.label);
        trial_append(found, line);
    }
    free(rows);
    put_together();
    if (strcmp(found, wanted) != 0)
        check_failed(__FILE__, __LINE__, "names are\n%s\nnot\n%s", found, wanted);
}

static bool is_there(const char *dir, const char *path, uint64_t image)
{
    struct store_image_info info;
    int r;

    take_apart(dir, path);
    r = store_image_stat(store, image, &info);
    put_together();
    return r == 0;
}

static const char *with_one(const char *name)
{
    const char *dir = trial_make(name);
    struct varve *varve = trial_open(dir, 0);

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_close(varve), 0);
    return dir;
}

static void cut_while_creating_or_deleting(void)
{
    static const char *const labels[] = {"snap 1 s", "version ds0123456789abc 1abcdef",
                                         "tree ds0123456789abc 1abcdef",
                                         "manifest ds0123456789abc 1abcdef", "volume v"};
    const char *dir = with_one("cut"), *path = scratch_path("cut/catalog.db");
    uint64_t images[10];

    take_apart(dir, path);
    for (size_t i = 0; i < 10; i++) {
        char label[96];

        snprintf(label, sizeof label, "%s %s", i < 5 ? "new" : "deleted", labels[i % 5]);
        images[i] = plant(label);
    }
    put_together();
    reopen_checked(dir, VARVE_OPEN_READ_ONLY);
    for (size_t i = 0; i < 10; i++)
        CHECK(is_there(dir, path, images[i]));
    reopen_checked(dir, 0);
    CHECK_EQ(strlen(notes), 0);
    for (size_t i = 0; i < 10; i++)
        CHECK(!is_there(dir, path, images[i]));
    names_are(dir, path, "v a=volume a;");
}

static void all_kinds_get_their_names_back(void)
{
    const char *dir = with_one("live"), *path = scratch_path("live/catalog.db");
    struct catalog_version row;
    struct catalog_dataset set;

    take_apart(dir, path);
    (void)plant("manifest ds0123456789abc 1abcdef");
    (void)plant("snap 1 s");
    (void)plant("snap 1 s");
    (void)plant("snap 77 orphan");
    (void)plant("version ds0123456789abc 1abcdef 4");
    (void)plant("tree ds0123456789abc 1abcdef");
    (void)plant("version ds0123456789abc 2abcdef");
    put_together();
    reopen_checked(dir, 0);
    CHECK_HAS(notes, "snapshot 'a@s' was not in the catalog");
    CHECK_HAS(notes, "and its digest too, because");
    reopen_checked(dir, 0);
    CHECK_EQ(strlen(notes), 0);
    take_apart(dir, path);
    CHECK_EQ(catalog_version_find(catalog, dataset, version, &row), 0);
    CHECK_EQ(row.sequence, 4);
    CHECK(row.tree_image != 0 && row.manifest_image != 0);
    CHECK_EQ(catalog_dataset_find(catalog, "", dataset, &set), 0);
    CHECK_EQ(set.last_sequence, 4);
    put_together();
}

static void a_lost_catalog_is_rebuilt(void)
{
    const char *dir = with_one("lost"), *path = scratch_path("lost/catalog.db");

    take_apart(dir, path);
    drop_copies();
    (void)plant("snap 1 s");
    (void)plant("new version ds0123456789abc 2abcdef");
    (void)plant("deleted snap 1 gone");
    put_together();
    CHECK_EQ(unlink(path), 0);
    reopen_checked(dir, VARVE_OPEN_READ_ONLY);
    CHECK(access(path, F_OK) != 0);
    reopen_checked(dir, 0);
    take_apart(dir, path);
    struct catalog_snapshot snapshot;
    struct catalog_version row;
    CHECK_EQ(catalog_snapshot_find(catalog, "a", "s", &snapshot), 0);
    CHECK_EQ(catalog_snapshot_find(catalog, "a", "gone", &snapshot), -ENOENT);
    CHECK_EQ(catalog_version_find(catalog, dataset, "2abcdef", &row), 0);
    CHECK_EQ(row.sequence, 0);
    put_together();
}

static void the_row_holds_against_the_label(void)
{
    const char *dir = with_one("label"), *path = scratch_path("label/catalog.db");
    struct catalog_snapshot row = {.volume = "a", .name = "s", .head = 1, .who = "me"};

    take_apart(dir, path);
    row.image = plant("deleted snap 1 s");
    CHECK_EQ(catalog_snapshots_insert(catalog, &row, 1, NULL, &change), 0);
    put_together();
    reopen_checked(dir, 0);
    CHECK_EQ(strlen(notes), 0);
    names_are(dir, path, "v a=volume a;s a@s=snap 1 s;");
}

static void a_row_without_an_image_is_said(void)
{
    const char *dir = with_one("gone"), *path = scratch_path("gone/catalog.db");
    struct catalog_snapshot row = {.volume = "a", .name = "s", .head = 1, .who = "me"};

    take_apart(dir, path);
    row.image = plant("snap 1 s");
    CHECK_EQ(catalog_snapshots_insert(catalog, &row, 1, NULL, &change), 0);
    CHECK_EQ(store_image_delete(store, row.image), 0);
    put_together();
    reopen_checked(dir, 0);
    CHECK_HAS(notes, "snapshot 'a@s' is damaged");
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"cut while creating or deleting", cut_while_creating_or_deleting},
        {"all kinds get their names back", all_kinds_get_their_names_back},
        {"a lost catalog is rebuilt", a_lost_catalog_is_rebuilt},
        {"the row holds against the label", the_row_holds_against_the_label},
        {"a row without an image is said", a_row_without_an_image_is_said},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
