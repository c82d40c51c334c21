/* Datasets, versions and tags through the public door. Commits are planted in the catalog. */
#include <errno.h>
#include <stdlib.h>
#include <varve/dataset.h>
#include <varve/export.h>
#include <varve/tag.h>

#include "trial_store.h"
#include "volume/served_store.h"

#include "catalog/catalog_state.h"
#include "catalog/catalog_versions.h"

static struct varve *fresh(const char *name)
{
    return trial_open(trial_make(name), 0);
}

static void make_dataset(struct varve *varve, const char *name, struct varve_dataset *dataset)
{
    const struct varve_dataset_options options = {.name = name, .size = MIB};

    CHECK_EQ(varve_dataset_create(varve, &options, dataset), 0);
}

static void make_version(struct varve *varve, const char *dataset, const char *from,
                         struct varve_version *version)
{
    const struct varve_version_options options = {.from = from};

    CHECK_EQ(varve_version_create(varve, dataset, &options, version), 0);
}

/* What a commit leaves in store and catalog, without its digest's work. */
static void plant_commit(struct varve *varve, struct varve_version *version)
{
    struct catalog_version row = {.committed = 1, .committer = "me", .class = "raw"};
    const struct catalog_change change = {"me", "committed"};
    struct catalog *catalog;
    int64_t sequence;

    memset(row.digest, 'a', CATALOG_DIGEST_TEXT);
    memcpy(row.dataset, version->dataset, sizeof row.dataset);
    memcpy(row.id, version->id, sizeof row.id);
    CHECK_EQ(names_enter(varve, &catalog), 0);
    CHECK_EQ(store_image_create(varve->store, 4096, 0, "planted", &row.tree_image), 0);
    CHECK_EQ(store_image_set_flags(varve->store, version->image, STORE_IMAGE_FROZEN), 0);
    CHECK_EQ(catalog_version_commit(catalog, &row, &change, &sequence), 0);
    names_leave(varve);
    CHECK_EQ(varve_version_show(varve, version->ref, version), 0);
}

static void names_are_shared_with_volumes(void)
{
    struct varve *varve = fresh("names");
    struct varve_dataset dataset;
    struct varve_dataset_options options = {.name = "vol"};
    const struct varve_dataset_update update = {.name = "vol"};

    CHECK_EQ(trial_create(varve, "vol", MIB), 0);
    CHECK_EQ(varve_dataset_create(varve, &options, NULL), -EEXIST);
    CHECK_HAS(varve_error(), "volume 'vol'");
    make_dataset(varve, "data", &dataset);
    CHECK_EQ(trial_create(varve, "data", MIB), -EEXIST);
    CHECK_HAS(varve_error(), "dataset 'data'");
    CHECK_EQ(varve_volume_rename(varve, "vol", "data"), -EEXIST);
    CHECK_EQ(varve_dataset_update(varve, "data", &update, NULL), -EEXIST);
    CHECK_EQ(trial_create(varve, dataset.id, MIB), -EEXIST);
    options.name = "team/vol";
    CHECK_EQ(varve_dataset_create(varve, &options, NULL), 0);
    options.name = dataset.id;
    CHECK_EQ(varve_dataset_create(varve, &options, NULL), -EINVAL);
    CHECK_EQ(varve_close(varve), 0);
}

static void datasets_are_found_by_name_and_id(void)
{
    struct varve *varve = fresh("found");
    struct varve_dataset dataset, again;
    const struct varve_dataset_update update = {.name = "other"};

    make_dataset(varve, "team/one", &dataset);
    CHECK_EQ(strlen(dataset.id), VARVE_DATASET_ID);
    CHECK(strncmp(dataset.id, "ds", 2) == 0);
    CHECK_EQ(varve_dataset_show(varve, "team/one", &again), 0);
    CHECK_EQ(varve_dataset_show(varve, dataset.id, &again), 0);
    CHECK_EQ(varve_dataset_show(varve, "one", &again), -ENOENT);
    CHECK_EQ(varve_dataset_show(varve, "team/one:latest", &again), -EINVAL);
    CHECK_EQ(varve_dataset_show(varve, "one@two", &again), -EINVAL);
    CHECK_EQ(varve_dataset_update(varve, dataset.id, &update, &again), 0);
    CHECK(strcmp(again.full_name, "team/other") == 0);
    CHECK_EQ(varve_dataset_show(varve, "team/one", &again), -ENOENT);
    CHECK_EQ(varve_close(varve), 0);
}

static int add_id(void *opaque, const struct varve_version *version)
{
    trial_append(opaque, version->id);
    trial_append(opaque, " ");
    return 0;
}

static void latest_is_what_was_committed_last(void)
{
    struct varve *varve = fresh("latest");
    struct varve_version early, late, open, shown;
    char found[TRIAL_TEXT] = "", wanted[64];

    make_dataset(varve, "data", &(struct varve_dataset){.size = 0});
    make_version(varve, "data", NULL, &early);
    make_version(varve, "data", NULL, &late);
    CHECK_EQ(varve_version_show(varve, "data", &shown), -ENOENT);
    CHECK_EQ(varve_version_list(varve, "data", false, add_id, found), 0);
    CHECK(found[0] == '\0');
    plant_commit(varve, &late);
    plant_commit(varve, &early);
    make_version(varve, "data", NULL, &open);
    CHECK(early.latest);
    CHECK_EQ(varve_version_show(varve, "data", &shown), 0);
    CHECK(strcmp(shown.id, early.id) == 0);
    CHECK_EQ(varve_version_show(varve, "data:~1", &shown), 0);
    CHECK(strcmp(shown.id, late.id) == 0);
    CHECK_EQ(varve_version_show(varve, "data:~2", &shown), -ENOENT);
    CHECK_EQ(varve_version_list(varve, "data", true, add_id, found), 0);
    snprintf(wanted, sizeof wanted, "%s %s %s ", open.id, early.id, late.id);
    CHECK(strcmp(found, wanted) == 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void a_clone_shares_and_stands_alone(void)
{
    static char written[8192], read[8192];
    struct varve *varve = fresh("clone");
    struct varve_version first, second;
    struct varve_version_options options = {.size = MIB / 2};
    struct varve_export *export;

    memset(written, 'x', sizeof written);
    make_dataset(varve, "data", &(struct varve_dataset){.size = 0});
    make_version(varve, "data", NULL, &first);
    CHECK_EQ(varve_export_open(varve, first.ref, "me", false, &export), 0);
    CHECK_EQ(varve_export_write(export, written, sizeof written, 4096, 0), 0);
    varve_export_close(export);
    options.from = first.ref;
    CHECK_EQ(varve_version_create(varve, "data", &options, &second), -EINVAL);
    options.size = 2 * MIB;
    CHECK_EQ(varve_version_create(varve, "data", &options, &second), 0);
    CHECK_EQ(second.size, 2 * MIB);
    CHECK(strcmp(second.parent, first.ref) == 0 && !second.parent_gone);
    CHECK_EQ(varve_version_delete(varve, first.ref, 0, NULL), 0);
    CHECK_EQ(varve_version_show(varve, second.ref, &second), 0);
    CHECK(strcmp(second.parent, first.ref) == 0 && second.parent_gone);
    CHECK_EQ(varve_export_open(varve, second.ref, "me", true, &export), 0);
    CHECK_EQ(varve_export_read(export, read, sizeof read, 4096), 0);
    varve_export_close(export);
    CHECK(memcmp(read, written, sizeof read) == 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void deletion_is_refused_and_forced(void)
{
    static char bytes[4096];
    struct varve *varve = fresh("guards");
    struct varve_version version;
    struct varve_version_options options = {.hold = "audit"};
    struct varve_export *export;
    struct varve_check_result result;
    unsigned released;

    make_dataset(varve, "data", &(struct varve_dataset){.size = 0});
    CHECK_EQ(varve_version_create(varve, "data", &options, &version), 0);
    CHECK_EQ(version.holds, 1);
    CHECK_EQ(varve_version_delete(varve, version.ref, 0, NULL), -EBUSY);
    CHECK_HAS(varve_error(), "audit");
    CHECK_EQ(varve_dataset_delete(varve, "data", 0, NULL), -EBUSY);
    CHECK_EQ(varve_version_delete(varve, version.ref, VARVE_DELETE_FORCE, NULL), -EBUSY);
    CHECK_HAS(varve_error(), "holds release");
    CHECK_EQ(varve_dataset_delete(varve, "data", VARVE_DELETE_FORCE, NULL), -EBUSY);
    CHECK_EQ(varve_hold_release(varve, version.ref, &released), 0);
    CHECK_EQ(varve_version_delete(varve, version.ref, 0, NULL), 0);
    CHECK_EQ(varve_version_show(varve, version.ref, &version), -ENOENT);

    make_version(varve, "data", NULL, &version);
    plant_commit(varve, &version);
    CHECK_EQ(varve_tag_set(varve, version.ref, "prod", NULL, NULL), 0);
    CHECK_EQ(varve_version_delete(varve, version.ref, 0, NULL), -EBUSY);
    CHECK_HAS(varve_error(), "'prod'");
    CHECK_EQ(varve_version_delete(varve, "data", 0, NULL), -EINVAL);

    make_version(varve, "data", NULL, &version);
    CHECK_EQ(varve_export_open(varve, version.ref, "them", false, &export), 0);
    CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, 0, 0), 0);
    CHECK_EQ(varve_version_delete(varve, version.ref, 0, NULL), -EBUSY);
    CHECK_HAS(varve_error(), "them");
    CHECK_EQ(varve_dataset_delete(varve, "data", VARVE_DELETE_FORCE, NULL), 0);
    CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, 0, 0), -EPERM);
    CHECK_EQ(varve_export_read(export, bytes, sizeof bytes, 0), 0);
    varve_export_close(export);
    CHECK_EQ(varve_check(varve, 0, NULL, NULL, &result), 0);
    CHECK_EQ(result.images, 2); /* of the copy of the catalog */
    CHECK_EQ(varve_close(varve), 0);
}

static int add_event(void *opaque, const struct varve_tag_event *event)
{
    trial_append(opaque, event->before);
    trial_append(opaque, ">");
    trial_append(opaque, event->version);
    trial_append(opaque, " ");
    return 0;
}

static void tags_move_only_from_where_they_are_expected(void)
{
    struct varve *varve = fresh("tags");
    struct varve_version one, two, open;
    struct varve_tag tag;
    char found[TRIAL_TEXT] = "", wanted[128];

    make_dataset(varve, "data", &(struct varve_dataset){.size = 0});
    make_version(varve, "data", NULL, &one);
    make_version(varve, "data", NULL, &two);
    make_version(varve, "data", NULL, &open);
    plant_commit(varve, &one);
    plant_commit(varve, &two);
    CHECK_EQ(varve_tag_set(varve, open.ref, "prod", NULL, NULL), -EPERM);
    CHECK_EQ(varve_tag_set(varve, one.ref, "latest", NULL, NULL), -EINVAL);
    CHECK_EQ(varve_tag_set(varve, one.ref, "1234567", NULL, NULL), -EINVAL);
    CHECK_EQ(varve_tag_set(varve, one.ref, "prod", two.id, NULL), -ESTALE);
    CHECK_EQ(varve_tag_set(varve, one.ref, "prod", "", &tag), 0);
    CHECK_EQ(varve_tag_set(varve, two.ref, "prod", "", NULL), -ESTALE);
    CHECK_EQ(varve_tag_set(varve, two.ref, "prod", "nonsense", NULL), -EINVAL);
    CHECK_EQ(varve_tag_set(varve, two.ref, "prod", one.id, &tag), 0);
    CHECK(strcmp(tag.version, two.id) == 0 && strcmp(tag.ref, "data:prod") == 0);
    CHECK_EQ(varve_tag_delete(varve, "data", "prod", one.id, NULL), -ESTALE);
    CHECK_EQ(varve_tag_delete(varve, "data", "absent", NULL, NULL), -ENOENT);
    CHECK_EQ(varve_tag_delete(varve, "data", "prod", two.id, NULL), 0);
    CHECK_EQ(varve_tag_history(varve, "data", "prod", add_event, found), 0);
    snprintf(wanted, sizeof wanted, ">%s %s>%s %s> ", one.id, one.id, two.id, two.id);
    CHECK(strcmp(found, wanted) == 0);
    CHECK_EQ(varve_tag_history(varve, "data", "never", add_event, found), -ENOENT);
    CHECK_EQ(varve_close(varve), 0);
}

static int add_key(void *opaque, const char *key, const char *value)
{
    trial_append(opaque, key);
    trial_append(opaque, "=");
    trial_append(opaque, value);
    trial_append(opaque, " ");
    return 0;
}

static void metadata_changes_whole_or_not_at_all(void)
{
    struct varve *varve = fresh("metadata");
    const struct varve_setting good[] = {{"b", "2"}, {"a", "1"}}, bad[] = {{"c", "3"}, {"x", NULL}},
                               evil[] = {{"a b", "1"}};
    struct varve_version_options options = {.settings = {evil, 1}};
    struct varve_version_update update = {.message = "said", .settings = {bad, 2}};
    struct varve_version version;
    char found[TRIAL_TEXT] = "";

    make_dataset(varve, "data", &(struct varve_dataset){.size = 0});
    CHECK_EQ(varve_version_create(varve, "data", &options, &version), -EINVAL);
    options.settings = (struct varve_settings){good, 2};
    CHECK_EQ(varve_version_create(varve, "data", &options, &version), 0);
    CHECK_EQ(varve_version_update(varve, version.ref, &update, NULL), -ENOENT);
    CHECK_EQ(varve_metadata_list(varve, version.ref, add_key, found), 0);
    CHECK(strcmp(found, "a=1 b=2 ") == 0);
    CHECK_EQ(varve_version_show(varve, version.ref, &version), 0);
    CHECK(version.message[0] == '\0');
    CHECK_EQ(varve_close(varve), 0);
}

static uint64_t transactions(struct varve *varve)
{
    struct catalog_state state;
    struct catalog *catalog;

    CHECK_EQ(names_enter(varve, &catalog), 0);
    catalog_get_state(catalog, &state);
    names_leave(varve);
    return state.number;
}

static int count_version(void *opaque, const struct varve_version *version)
{
    (void)version;
    ++*(unsigned *)opaque;
    return 0;
}

/* A crash finds a dataset or a version with all that it was to have, or not at all. */
static void what_is_made_is_made_in_one_transaction(void)
{
    struct varve *varve = fresh("transaction");
    const struct varve_setting good[] = {{"b", "2"}, {"a", "1"}}, bad[] = {{"c", "3"}, {"x", NULL}};
    struct varve_dataset_options dataset = {.name = "data", .settings = {bad, 2}};
    struct varve_version_options options = {.size = MIB, .hold = "audit", .settings = {bad, 2}};
    struct varve_version version;
    char found[TRIAL_TEXT] = "";
    unsigned versions = 0;
    uint64_t before = transactions(varve);

    CHECK_EQ(varve_dataset_create(varve, &dataset, NULL), -ENOENT);
    CHECK_EQ(varve_dataset_show(varve, "data", &(struct varve_dataset){.size = 0}), -ENOENT);
    CHECK_EQ(transactions(varve), before);
    dataset.settings = (struct varve_settings){good, 2};
    CHECK_EQ(varve_dataset_create(varve, &dataset, NULL), 0);
    CHECK_EQ(transactions(varve), before + 1);
    CHECK_EQ(varve_metadata_list(varve, "data", add_key, found), 0);
    CHECK(strcmp(found, "a=1 b=2 ") == 0);

    before = transactions(varve);
    CHECK_EQ(varve_version_create(varve, "data", &options, NULL), -ENOENT);
    CHECK_EQ(varve_version_list(varve, "data", true, count_version, &versions), 0);
    CHECK_EQ(versions, 0);
    CHECK_EQ(transactions(varve), before);
    options.settings = (struct varve_settings){good, 2};
    CHECK_EQ(varve_version_create(varve, "data", &options, &version), 0);
    CHECK_EQ(transactions(varve), before + 1);
    CHECK_EQ(version.holds, 1);
    found[0] = '\0';
    CHECK_EQ(varve_metadata_list(varve, version.ref, add_key, found), 0);
    CHECK(strcmp(found, "a=1 b=2 ") == 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void a_store_that_is_only_read_refuses(void)
{
    const char *dir = trial_make("readonly");
    struct varve *varve = trial_open(dir, 0);
    struct varve_version version;
    const struct varve_version_options options = {.size = MIB};
    const struct varve_dataset_options made = {.name = "other"};

    make_dataset(varve, "data", &(struct varve_dataset){.size = 0});
    make_version(varve, "data", NULL, &version);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(dir, VARVE_OPEN_READ_ONLY);
    CHECK_EQ(varve_version_show(varve, version.ref, &version), 0);
    CHECK_EQ(varve_version_create(varve, "data", &options, NULL), -EROFS);
    CHECK_EQ(varve_dataset_create(varve, &made, NULL), -EROFS);
    CHECK_EQ(varve_version_delete(varve, version.ref, 0, NULL), -EROFS);
    CHECK_EQ(varve_dataset_delete(varve, "data", 0, NULL), -EROFS);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"names are shared with volumes", names_are_shared_with_volumes},
        {"datasets are found by name and id", datasets_are_found_by_name_and_id},
        {"latest is what was committed last", latest_is_what_was_committed_last},
        {"a clone shares and stands alone", a_clone_shares_and_stands_alone},
        {"deletion is refused and forced", deletion_is_refused_and_forced},
        {"tags move only from where they are expected",
         tags_move_only_from_where_they_are_expected},
        {"metadata changes whole or not at all", metadata_changes_whole_or_not_at_all},
        {"what is made is made in one transaction", what_is_made_is_made_in_one_transaction},
        {"a store that is only read refuses", a_store_that_is_only_read_refuses},
    };

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
