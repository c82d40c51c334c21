#include "dataset/dataset_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_images.h"
#include "catalog/catalog_metadata.h"
#include "catalog/catalog_snapshots.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours " fits")
SAME(CATALOG_REF_MAX, VARVE_REF_MAX);
SAME(CATALOG_MESSAGE_MAX, VARVE_MESSAGE_MAX);
SAME(CATALOG_WHO_MAX, VARVE_ACTOR_MAX);
SAME(CATALOG_TAG_MAX, VARVE_TAG_MAX);
SAME(CATALOG_KEY_MAX, VARVE_KEY_MAX);
SAME(CATALOG_VALUE_MAX, VARVE_VALUE_MAX);
SAME(CATALOG_DIGEST_TEXT, VARVE_DIGEST_TEXT);
SAME(CATALOG_CLASS_MAX, VARVE_CLASS_MAX);

int settings_check(const struct varve_settings *settings)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < settings->count; i++)
        r = catalog_metadata_check(settings->settings[i].key, settings->settings[i].value);
    return r;
}

int dataset_view_open_locked(struct varve *varve, struct catalog *catalog,
                             const struct catalog_dataset *row, struct dataset_view *ret_view)
{
    struct dataset_view view = {.varve = varve,
                                .catalog = catalog,
                                .row = *row,
                                .tags = {.size = sizeof(struct catalog_tag)}};
    struct catalog_version latest;
    struct catalog_tag tag = {.name = ""};
    int r;

    while ((r = catalog_tag_next(catalog, row->id, tag.name, &tag)) == 0) {
        r = rows_add(&view.tags, &tag);
        if (r != 0)
            break;
    }
    if (r == -ENOENT) {
        r = catalog_version_resolve(catalog, "", row->id, "latest", &latest);
        if (r == 0)
            memcpy(view.latest, latest.id, sizeof view.latest);
    }
    if (r != 0 && r != -ENOENT) {
        free(view.tags.rows);
        return r;
    }
    *ret_view = view;
    return 0;
}

void dataset_view_release(struct dataset_view *view)
{
    free(view->tags.rows);
}

/* The parent as it is called now. It was written down with its dataset's id, which stays. */
static void name_parent(struct catalog *catalog, const char *parent, struct varve_version *version)
{
    struct catalog_snapshot snapshot;
    struct catalog_version row;
    struct catalog_dataset dataset;
    struct catalog_volume volume;
    struct volume_ref ref;
    char name[VARVE_DATASET_NAME_MAX + 1];

    snprintf(version->parent, sizeof version->parent, "%s", parent);
    if (parent[0] == '\0' || volume_ref_parse(parent, &ref) != 0)
        return;
    switch (ref.kind) {
    case NAMED_VOLUME:
        version->parent_gone = catalog_volume_find(catalog, ref.name, &volume) != 0;
        break;
    case NAMED_SNAPSHOT:
        version->parent_gone = catalog_snapshot_find(catalog, ref.name, ref.which, &snapshot) != 0;
        break;
    case NAMED_VERSION:
        version->parent_gone = catalog_version_find(catalog, ref.name, ref.which, &row) != 0;
        if (!version->parent_gone) {
            memcpy(version->parent, row.ref, sizeof row.ref);
        } else if (catalog_dataset_find(catalog, "", ref.name, &dataset) == 0) {
            catalog_dataset_full_name(&dataset, name);
            snprintf(version->parent, sizeof version->parent, "%s:%s", name, ref.which);
        }
        break;
    }
}

/* What the row itself says. */
static void copy_row(const struct dataset_view *view, const struct catalog_version *row,
                     struct varve_version *version)
{
    memcpy(version->ref, row->ref, sizeof row->ref);
    memcpy(version->dataset, row->dataset, sizeof row->dataset);
    catalog_dataset_full_name(&view->row, version->dataset_name);
    memcpy(version->id, row->id, sizeof row->id);
    memcpy(version->who, row->who, sizeof row->who);
    memcpy(version->message, row->message, sizeof row->message);
    memcpy(version->committer, row->committer, sizeof row->committer);
    memcpy(version->digest, row->digest, sizeof row->digest);
    memcpy(version->class, row->class, sizeof row->class);
    version->holds = row->holds;
    name_parent(view->catalog, row->parent, version);
    version->latest = row->sequence != 0 && strcmp(view->latest, row->id) == 0;
    for (size_t i = 0; i < view->tags.count; i++) {
        const struct catalog_tag *tag = rows_at(&view->tags, i);

        version->tags += strcmp(tag->version, row->id) == 0;
    }
}

int version_stat_locked(const struct dataset_view *view, const struct catalog_version *row,
                        struct varve_version *ret_version)
{
    struct varve_version version = {.image = row->image,
                                    .created = row->created,
                                    .sequence = row->sequence,
                                    .committed = row->committed,
                                    .has_manifest = row->manifest_image != 0,
                                    .files = row->files};
    struct store_image_info info;
    struct attendance attendance;
    int r = store_image_stat(view->varve->store, row->image, &info);

    if (r != 0 && r != -ENOENT)
        return r;
    version.damaged = r == -ENOENT;
    if (!version.damaged) {
        version.size = info.size;
        version.mapped_bytes = info.mapped;
        version.incomplete = row->sequence == 0 && (info.flags & STORE_IMAGE_INCOMPLETE) != 0;
    }
    attendance_of(view->varve->attachments, row->image, &attendance);
    version.connections = attendance.seats;
    snprintf(version.writer, sizeof version.writer, "%s", attendance.writer);
    copy_row(view, row, &version);
    *ret_version = version;
    return 0;
}

int version_show_locked(struct varve *varve, struct catalog *catalog,
                        const struct catalog_version *row, struct varve_version *ret_version)
{
    struct catalog_dataset dataset;
    struct dataset_view view;
    int r = catalog_dataset_find(catalog, "", row->dataset, &dataset);

    if (r == 0)
        r = dataset_view_open_locked(varve, catalog, &dataset, &view);
    if (r != 0)
        return r;
    r = version_stat_locked(&view, row, ret_version);
    dataset_view_release(&view);
    return r;
}

int dataset_versions_locked(struct catalog *catalog, const char *dataset, struct rows *versions)
{
    struct catalog_version row = {.id = ""};
    int r;

    snprintf(row.dataset, sizeof row.dataset, "%s", dataset);
    while ((r = catalog_version_next(catalog, row.dataset, row.id, &row)) == 0 &&
           strcmp(row.dataset, dataset) == 0) {
        r = rows_add(versions, &row);
        if (r != 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

static int count_versions(const struct dataset_view *view, struct varve_dataset *dataset)
{
    struct catalog_version_image *images = NULL;
    size_t count = 0;
    int r = catalog_version_images_read(view->catalog, view->row.id, &images, &count);

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct store_image_info info = {.mapped = 0};

        r = store_image_stat(view->varve->store, images[i].image, &info);
        if (r == -ENOENT)
            r = 0;
        dataset->mapped_bytes += info.mapped;
        if (images[i].committed)
            dataset->versions++;
        else
            dataset->uncommitted++;
    }
    free(images);
    return r;
}

int dataset_show_locked(struct varve *varve, struct catalog *catalog,
                        const struct catalog_dataset *row, struct varve_dataset *ret_dataset)
{
    struct varve_dataset dataset = {.size = row->size, .created = row->created};
    struct dataset_view view;
    int r = dataset_view_open_locked(varve, catalog, row, &view);

    if (r != 0)
        return r;
    memcpy(dataset.id, row->id, sizeof row->id);
    memcpy(dataset.team, row->team, sizeof row->team);
    memcpy(dataset.name, row->name, sizeof row->name);
    catalog_dataset_full_name(row, dataset.full_name);
    memcpy(dataset.description, row->description, sizeof row->description);
    memcpy(dataset.who, row->who, sizeof row->who);
    memcpy(dataset.latest, view.latest, sizeof view.latest);
    dataset.tags = (unsigned)view.tags.count;
    r = count_versions(&view, &dataset);
    dataset_view_release(&view);
    if (r == 0)
        *ret_dataset = dataset;
    return r;
}
