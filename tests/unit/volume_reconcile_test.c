/* Store and catalog after a crash between the two, and after the loss of the catalog. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <varve/export.h>

#include "taken_apart.h"

static const struct catalog_change change = {"test", "planted"};

static int append_name(void *opaque, const struct varve_volume *volume)
{
    trial_append(opaque, volume->name);
    trial_append(opaque, volume->damaged ? "! " : volume->shared ? "+ " : " ");
    return 0;
}

static void list_is(struct varve *varve, const char *wanted)
{
    char found[TRIAL_TEXT] = "";

    CHECK_EQ(varve_volume_list(varve, append_name, found), 0);
    if (strcmp(found, wanted) != 0)
        check_failed(__FILE__, __LINE__, "volumes are \"%s\", not \"%s\"", found, wanted);
}

static uint64_t count_images(struct varve *varve)
{
    struct varve_check_result result;

    CHECK_EQ(varve_check(varve, 0, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    return result.images;
}

/* A store with the volumes a and b, closed. */
static const char *with_two(const char *name)
{
    const char *dir = trial_make(name);
    struct varve *varve = trial_open(dir, 0);

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(trial_create(varve, "b", MIB), 0);
    CHECK_EQ(varve_close(varve), 0);
    return dir;
}

static void cut_while_creating(void)
{
    const char *dir = with_two("creating");
    struct varve *varve;
    uint64_t image = 0, images;

    varve = reopen(dir, 0);
    images = count_images(varve);
    CHECK_EQ(varve_close(varve), 0);
    take_apart(dir, scratch_path("creating/catalog.db"));
    CHECK_EQ(store_image_create(store, MIB, 0, "new volume c", &image), 0);
    put_together();
    varve = reopen(dir, VARVE_OPEN_READ_ONLY);
    list_is(varve, "a b ");
    CHECK_EQ(varve_close(varve), 0);
    varve = reopen(dir, 0);
    list_is(varve, "a b ");
    CHECK_EQ(count_images(varve), images);
    CHECK_EQ(trial_create(varve, "c", MIB), 0);
    CHECK_EQ(varve_close(varve), 0);
}

/* Named, but the final label did not make it. */
static void cut_before_the_label(void)
{
    const char *dir = with_two("label"), *path = scratch_path("label/catalog.db");
    struct catalog_volume row = {.name = "c"};
    struct varve *varve;

    take_apart(dir, path);
    CHECK_EQ(store_image_create(store, MIB, 0, "new volume c", &row.image), 0);
    CHECK_EQ(catalog_volume_insert(catalog, &row, &change), 0);
    put_together();
    varve = reopen(dir, 0);
    list_is(varve, "a b c ");
    CHECK_EQ(varve_close(varve), 0);
    /* The label was set right: it is enough to find the name by. */
    CHECK_EQ(unlink(path), 0);
    varve = reopen(dir, 0);
    list_is(varve, "a b c ");
    CHECK_EQ(varve_close(varve), 0);
}

static void cut_while_deleting(void)
{
    const char *dir = with_two("deleting"), *path = scratch_path("deleting/catalog.db");
    struct catalog_volume row;
    struct varve *varve;
    uint64_t images;

    varve = reopen(dir, 0);
    images = count_images(varve);
    CHECK_EQ(varve_close(varve), 0);
    /* Before the name was forgotten: nothing happened. */
    take_apart(dir, path);
    CHECK_EQ(catalog_volume_find(catalog, "a", &row), 0);
    CHECK_EQ(store_image_set_label(store, row.image, "deleted volume a"), 0);
    put_together();
    varve = reopen(dir, 0);
    list_is(varve, "a b ");
    CHECK_EQ(varve_close(varve), 0);
    /* After it: the rest is done. */
    take_apart(dir, path);
    CHECK_EQ(store_image_set_label(store, row.image, "deleted volume a"), 0);
    CHECK_EQ(catalog_volume_delete(catalog, "a", &change), 0);
    put_together();
    varve = reopen(dir, 0);
    list_is(varve, "b ");
    CHECK_EQ(count_images(varve), images - 1);
    CHECK_EQ(varve_close(varve), 0);
}

static void a_row_without_an_image_is_shown(void)
{
    const char *dir = with_two("lost");
    struct catalog_volume row;
    struct varve_export *export = NULL;
    struct varve_check_result result;
    struct varve_volume volume;
    struct varve *varve;

    take_apart(dir, scratch_path("lost/catalog.db"));
    CHECK_EQ(catalog_volume_find(catalog, "a", &row), 0);
    CHECK_EQ(store_image_delete(store, row.image), 0);
    put_together();
    varve = reopen(dir, 0);
    CHECK_HAS(notes, "volume 'a' is damaged");
    list_is(varve, "a! b ");
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK(volume.damaged && volume.size == 0);
    CHECK_EQ(varve_export_open(varve, "a", "me", false, &export), -EIO);
    CHECK_HAS(varve_error(), "volume 'a' is damaged");
    CHECK_EQ(varve_volume_resize(varve, "a", MIB), -EIO);
    CHECK_EQ(trial_create(varve, "a", MIB), -EEXIST);
    CHECK_EQ(varve_export_open(varve, "b", "me", false, &export), 0);
    varve_export_close(export);
    CHECK_EQ(varve_check(varve, 0, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 1);
    CHECK_EQ(varve_volume_delete(varve, "a"), 0);
    list_is(varve, "b ");
    CHECK_EQ(varve_close(varve), 0);
}

static void a_missing_catalog_is_rebuilt(void)
{
    const char *dir = with_two("missing"), *path = scratch_path("missing/catalog.db");
    struct varve *varve = trial_open(dir, 0);

    CHECK_EQ(varve_volume_set_shared(varve, "b", true), 0);
    CHECK_EQ(varve_volume_rename(varve, "a", "z"), 0);
    CHECK_EQ(varve_close(varve), 0);
    take_apart(dir, path);
    drop_copies();
    put_together();
    CHECK_EQ(unlink(path), 0);
    /* To look is not to write. */
    varve = reopen(dir, VARVE_OPEN_READ_ONLY);
    CHECK_HAS(notes, "was missing");
    list_is(varve, "b+ z ");
    CHECK_EQ(varve_close(varve), 0);
    CHECK(access(path, F_OK) != 0);
    varve = reopen(dir, 0);
    CHECK_HAS(notes, "was missing");
    list_is(varve, "b+ z ");
    CHECK_EQ(varve_close(varve), 0);
    varve = reopen(dir, 0);
    CHECK_EQ(strlen(notes), 0);
    list_is(varve, "b+ z ");
    CHECK_EQ(varve_close(varve), 0);
}

/* The volume that an old catalog does not know is named again, never deleted. */
static void an_older_catalog_loses_no_volume(void)
{
    const char *dir = trial_make("older"), *path = scratch_path("older/catalog.db");
    const char *old = scratch_path("old.db");
    struct varve *varve = trial_open(dir, 0);
    struct varve_export *export = NULL;
    char byte = 'k';

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_close(varve), 0);
    CHECK_EQ(link(path, old), 0);
    CHECK_EQ(rename(path, scratch_path("older/keep")), 0);
    /* A new file for what follows, so that the link keeps the old one. */
    varve = reopen(dir, 0);
    CHECK_EQ(trial_create(varve, "b", MIB), 0);
    CHECK_EQ(varve_export_open(varve, "b", "me", false, &export), 0);
    CHECK_EQ(varve_export_write(export, &byte, 1, 9, 0), 0);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);
    CHECK_EQ(rename(old, path), 0);
    take_apart(dir, path);
    drop_copies();
    put_together();
    varve = reopen(dir, 0);
    CHECK_HAS(notes, "volume 'b' was not in the catalog");
    list_is(varve, "a b ");
    byte = 0;
    CHECK_EQ(varve_export_open(varve, "b", "me", false, &export), 0);
    CHECK_EQ(varve_export_read(export, &byte, 1, 9), 0);
    CHECK_EQ(byte, 'k');
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);
}

static void two_images_of_one_name(void)
{
    const char *dir = with_two("twins"), *path = scratch_path("twins/catalog.db");
    struct varve *varve;
    uint64_t image = 0;

    take_apart(dir, path);
    CHECK_EQ(store_image_create(store, MIB, 0, "volume a", &image), 0);
    CHECK_EQ(store_image_create(store, MIB, 0, "something else", &image), 0);
    put_together();
    varve = reopen(dir, 0);
    list_is(varve, "a b image-5-1 ");
    CHECK_HAS(notes, "a label that this version of varve does not know");
    CHECK_EQ(varve_close(varve), 0);
}

static void a_damaged_catalog_is_rebuilt_and_kept(void)
{
    const char *dir = with_two("damaged"), *path = scratch_path("damaged/catalog.db");
    char kept[TRIAL_TEXT], bytes[8] = "", *end;
    struct varve *varve = NULL;
    int fd;

    take_apart(dir, path);
    drop_copies();
    put_together();
    fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK_EQ(pwrite(fd, "garbage", 7, 0), 7);
    close(fd);
    varve = reopen(dir, VARVE_OPEN_READ_ONLY);
    CHECK_HAS(notes, "was damaged");
    list_is(varve, "a b ");
    CHECK_EQ(varve_close(varve), 0);
    varve = reopen(dir, 0);
    CHECK_HAS(notes, "was damaged");
    CHECK_HAS(notes, "the file is kept as '");
    snprintf(kept, sizeof kept, "%s", strstr(notes, "kept as '") + 9);
    end = strchr(kept, '\'');
    CHECK(end != NULL);
    *end = '\0';
    list_is(varve, "a b ");
    CHECK_EQ(varve_close(varve), 0);
    fd = open(kept, O_RDONLY | O_CLOEXEC);
    CHECK_EQ(read(fd, bytes, 7), 7);
    close(fd);
    CHECK(strcmp(bytes, "garbage") == 0);
    varve = reopen(dir, 0);
    CHECK_EQ(strlen(notes), 0);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"cut while creating", cut_while_creating},
        {"cut before the label", cut_before_the_label},
        {"cut while deleting", cut_while_deleting},
        {"a row without an image is shown", a_row_without_an_image_is_shown},
        {"a missing catalog is rebuilt", a_missing_catalog_is_rebuilt},
        {"an older catalog loses no volume", an_older_catalog_loses_no_volume},
        {"two images of one name", two_images_of_one_name},
        {"a damaged catalog is rebuilt and kept", a_damaged_catalog_is_rebuilt_and_kept},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
