/* Deleting versions, and datasets with all of theirs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "dataset/dataset_ref.h"
#include "dataset/dataset_view.h"
#include "volume/guard.h"
#include "volume/image_delete.h"

enum { IMAGES_OF_VERSION = 3 }; /* content, digests of its parts, list of its files */

static struct image_label label_of(const struct catalog_version *row, enum label_kind kind)
{
    struct image_label label = {.kind = kind};

    memcpy(label.dataset, row->dataset, sizeof row->dataset);
    memcpy(label.version, row->id, sizeof row->id);
    label.number = kind == LABEL_VERSION ? (uint64_t)row->sequence : 0;
    return label;
}

static size_t doom(const struct catalog_version *row, struct doomed_image *images)
{
    const struct {
        uint64_t image;
        enum label_kind kind;
    } all[IMAGES_OF_VERSION] = {{row->image, LABEL_VERSION},
                                {row->tree_image, LABEL_TREE},
                                {row->manifest_image, LABEL_MANIFEST}};
    size_t count = 0;

    for (size_t i = 0; i < IMAGES_OF_VERSION; i++)
        if (all[i].image != 0)
            images[count++] = (struct doomed_image){all[i].image, label_of(row, all[i].kind)};
    return count;
}

/* Who still reads the image may do so to the end, and no more than that. */
static void end_writing(struct varve *varve, uint64_t image)
{
    struct attendance attendance;
    char holder[VARVE_HOLDER_MAX];

    attendance_of(varve->attachments, image, &attendance);
    if (attendance.seats == 0)
        return;
    (void)store_image_set_flags(varve->store, image, STORE_IMAGE_FROZEN);
    lease_release(varve->attachments, image, holder);
}

static int refuse_tagged(const struct dataset_view *view, const struct catalog_version *row)
{
    for (size_t i = 0; i < view->tags.count; i++) {
        const struct catalog_tag *tag = rows_at(&view->tags, i);

        if (strcmp(tag->version, row->id) == 0)
            return varve_fail(EBUSY,
                              "version '%s' is tagged '%s', by %s; move or delete the tag first, "
                              "or say --force",
                              row->ref, tag->name, tag->who);
    }
    return 0;
}

/* A hold comes first: force does not help against it, so nobody is told to try. */
static int guard_version_locked(struct varve *varve, struct catalog *catalog,
                                const struct catalog_version *row, unsigned flags, const char *what)
{
    struct guarded guarded = {row->image, NAMED_VERSION, row->ref, what};
    char then[64];
    int r = guard_held_locked(catalog, &guarded);

    if (r != 0 || (flags & VARVE_DELETE_FORCE) != 0)
        return r;
    snprintf(then, sizeof then, "%s, or say --force", what);
    guarded.then = then;
    return guard_attached_locked(varve, &guarded);
}

struct forgetting {
    struct catalog *catalog;
    const struct catalog_version *version; /* or NULL: the dataset */
    const struct catalog_dataset *dataset;
    struct catalog_change change;
};

static int forget(void *opaque)
{
    const struct forgetting *forgetting = opaque;

    return forgetting->version != NULL
               ? catalog_version_delete(forgetting->catalog, forgetting->version,
                                        &forgetting->change)
               : catalog_dataset_delete_whole(forgetting->catalog, forgetting->dataset,
                                              &forgetting->change);
}

static int delete_version_locked(struct varve *varve, struct catalog *catalog,
                                 const struct catalog_version *row, unsigned flags)
{
    struct doomed_image images[IMAGES_OF_VERSION];
    struct forgetting forgetting = {
        .catalog = catalog, .version = row, .change = {varve_actor(), "deleted"}};
    struct catalog_dataset dataset;
    struct dataset_view view;
    int r = catalog_dataset_find(catalog, "", row->dataset, &dataset);

    if (r == 0)
        r = dataset_view_open_locked(varve, catalog, &dataset, &view);
    if (r != 0)
        return r;
    r = guard_version_locked(varve, catalog, row, flags, "delete it");
    if (r == 0 && (flags & VARVE_DELETE_FORCE) == 0)
        r = refuse_tagged(&view, row);
    dataset_view_release(&view);
    if (r == 0)
        r = images_delete_locked(varve, images, doom(row, images), forget, &forgetting);
    if (r == 0)
        end_writing(varve, row->image);
    return r;
}

int varve_version_delete(struct varve *varve, const char *ref, unsigned flags,
                         struct varve_version *ret_version)
{
    struct catalog_version row;
    struct varve_version was;
    struct catalog *catalog;
    int r = names_enter_to_change(varve, &catalog);

    if (r != 0)
        return r;
    r = version_find_exactly_locked(catalog, ref, &row);
    if (r == 0)
        r = version_show_locked(varve, catalog, &row, &was);
    if (r == 0)
        r = delete_version_locked(varve, catalog, &row, flags);
    names_leave(varve);
    if (r == 0 && ret_version != NULL)
        *ret_version = was;
    return r;
}

static int delete_all_locked(struct varve *varve, struct catalog *catalog,
                             const struct catalog_dataset *row, const struct rows *versions,
                             unsigned flags)
{
    char what[CATALOG_WHAT_MAX + 1];
    struct forgetting forgetting = {
        .catalog = catalog, .dataset = row, .change = {varve_actor(), what}};
    struct doomed_image *images = calloc(IMAGES_OF_VERSION * versions->count + 1, sizeof *images);
    size_t count = 0;
    int r = 0;

    if (images == NULL)
        return varve_no_memory("the images of a dataset");
    snprintf(what, sizeof what, "deleted, with %zu versions", versions->count);
    for (size_t i = 0; r == 0 && i < versions->count; i++) {
        const struct catalog_version *version = rows_at(versions, i);

        r = guard_version_locked(varve, catalog, version, flags, "delete the dataset");
        count += doom(version, images + count);
    }
    if (r == 0)
        r = images_delete_locked(varve, images, count, forget, &forgetting);
    for (size_t i = 0; r == 0 && i < versions->count; i++) {
        const struct catalog_version *version = rows_at(versions, i);

        end_writing(varve, version->image);
    }
    free(images);
    return r;
}

int varve_dataset_delete(struct varve *varve, const char *dataset, unsigned flags,
                         struct varve_dataset *ret_dataset)
{
    struct rows versions = {.size = sizeof(struct catalog_version)};
    struct catalog_dataset row;
    struct varve_dataset was;
    struct catalog *catalog;
    int r = names_enter_to_change(varve, &catalog);

    if (r != 0)
        return r;
    r = dataset_find_locked(catalog, dataset, &row);
    if (r == 0)
        r = dataset_show_locked(varve, catalog, &row, &was);
    if (r == 0)
        r = dataset_versions_locked(catalog, row.id, &versions);
    if (r == 0)
        r = delete_all_locked(varve, catalog, &row, &versions, flags);
    names_leave(varve);
    free(versions.rows);
    if (r == 0 && ret_dataset != NULL)
        *ret_dataset = was;
    return r;
}
