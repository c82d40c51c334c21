/* Versions: made, shown, listed, and what can be changed about them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "dataset/dataset_id.h"
#include "dataset/dataset_ref.h"
#include "dataset/dataset_view.h"
#include "volume/image_name.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

/* A version that is being made. */
struct birth {
    struct varve *varve;
    struct catalog *catalog;
    struct catalog_dataset dataset;
    const struct varve_version_options *options;
    struct catalog_version row;
    char what[CATALOG_WHAT_MAX + 1];
};

static int make_empty(struct birth *birth, const char *label)
{
    /* As long as something is missing the image says so, also to who finds it after a crash. */
    const bool filled = birth->options->source != NULL || birth->options->imported_from != NULL;
    const unsigned flags = filled ? STORE_IMAGE_INCOMPLETE : 0;
    uint64_t size = birth->options->size != 0 ? birth->options->size : birth->dataset.size;
    int r;

    if (size == 0)
        return varve_fail(EINVAL, "how large? Say --size SIZE, like --size 10G; or give the "
                                  "dataset a size for its new versions");
    r = size_check(size);
    if (birth->options->source != NULL)
        snprintf(birth->what, sizeof birth->what, "made of files from %s, with %" PRIu64 " bytes",
                 birth->options->source, size);
    else if (birth->options->imported_from != NULL)
        snprintf(birth->what, sizeof birth->what, "created with %" PRIu64 " bytes, to import %s",
                 size, birth->options->imported_from);
    else
        snprintf(birth->what, sizeof birth->what, "created empty, with %" PRIu64 " bytes", size);
    return r == 0 ? store_image_create(birth->varve->store, size, flags, label, &birth->row.image)
                  : r;
}

/* A version's dataset may get another name; its id stays. */
static void keep_parent(struct birth *birth, const struct resolved *source)
{
    if (source->kind == NAMED_VERSION)
        snprintf(birth->row.parent, sizeof birth->row.parent, "%s:%s", source->dataset,
                 source->version);
    else
        snprintf(birth->row.parent, sizeof birth->row.parent, "%s", source->ref);
    snprintf(birth->what, sizeof birth->what, "cloned from %s", source->ref);
}

static int make_clone(struct birth *birth, const char *label)
{
    struct store *store = birth->varve->store;
    uint64_t size = birth->options->size;
    struct store_image_info info;
    struct store_clone clone = {.label = label};
    struct resolved source;
    int r = volume_ref_resolve_locked(birth->varve, birth->catalog, birth->options->from, &source);

    if (r == 0 && size != 0)
        r = size_check(size);
    if (r != 0)
        return r;
    r = store_image_stat(store, source.image, &info);
    if (r == -ENOENT)
        return varve_fail(EIO, "%s '%s' is damaged: the store does not have its image %" PRIu64,
                          named_name(source.kind), source.ref, source.image);
    if (r == 0 && size != 0 && size < info.size)
        r = varve_fail(EINVAL, "%s '%s' has %s and does not fit into %s", named_name(source.kind),
                       source.ref, show_size(info.size).text, show_size(size).text);
    clone.source = source.image;
    if (r == 0)
        r = image_clone_sized(store, &clone, size);
    if (r != 0)
        return r;
    birth->row.image = clone.image;
    keep_parent(birth, &source);
    return 0;
}

/* With its hold and metadata, or not at all. */
static int name_it(void *opaque)
{
    struct birth *birth = opaque;
    const struct varve_version_options *options = birth->options;
    const struct catalog_change change = {varve_actor(), birth->what};
    const struct catalog_belongings belongings = {
        .settings = (const struct catalog_setting *)options->settings.settings,
        .setting_count = options->settings.count,
        .hold = options->hold};

    return catalog_version_insert(birth->catalog, &birth->row, &belongings, &change);
}

static int create_locked(struct birth *birth)
{
    struct catalog_version *row = &birth->row;
    struct born_image born = {.label = {.kind = LABEL_VERSION}};
    char label[IMAGE_LABEL_SIZE];
    int r = version_id_draw_locked(birth->catalog, birth->dataset.id, row->id);

    if (r != 0)
        return r;
    memcpy(row->dataset, birth->dataset.id, sizeof row->dataset);
    memcpy(born.label.dataset, row->dataset, sizeof row->dataset);
    memcpy(born.label.version, row->id, sizeof row->id);
    image_label_format(LABEL_NEW, &born.label, label);
    r = birth->options->from != NULL ? make_clone(birth, label) : make_empty(birth, label);
    born.image = row->image;
    if (r == 0)
        r = images_name_locked(birth->varve, &born, 1, name_it, birth);
    return r == 0 ? catalog_version_find(birth->catalog, row->dataset, row->id, row) : r;
}

static int check_options(const struct varve_version_options *options)
{
    int r = text_check("message", options->message, VARVE_MESSAGE_MAX);

    if (r == 0)
        r = text_check("reason of the hold", options->hold, VARVE_REASON_MAX);
    if (r == 0 && options->hold != NULL && options->hold[0] == '\0')
        r = varve_fail(EINVAL, "a hold needs a reason, which tells others why it must stay");
    if (r == 0 && options->from != NULL && options->imported_from != NULL)
        r = varve_fail(EINVAL, "a version is a clone of '%s' or imported from '%s', not both",
                       show_text(options->from).text, show_text(options->imported_from).text);
    if (r == 0)
        r = text_check("file's name", options->imported_from, VARVE_MESSAGE_MAX);
    return r == 0 ? settings_check(&options->settings) : r;
}

int varve_version_create(struct varve *varve, const char *dataset,
                         const struct varve_version_options *options,
                         struct varve_version *ret_version)
{
    struct birth birth = {
        .varve = varve, .options = options, .row = {.created = (int64_t)time(NULL)}};
    struct varve_version made;
    int r = check_options(options);

    if (r == 0)
        r = names_enter_to_change(varve, &birth.catalog);
    if (r != 0)
        return r;
    snprintf(birth.row.who, sizeof birth.row.who, "%s", varve_actor());
    snprintf(birth.row.message, sizeof birth.row.message, "%s",
             options->message != NULL ? options->message : "");
    r = dataset_find_locked(birth.catalog, dataset, &birth.dataset);
    if (r == 0)
        r = create_locked(&birth);
    if (r == 0)
        r = version_show_locked(varve, birth.catalog, &birth.row, &made);
    names_leave(varve);
    if (r == 0 && ret_version != NULL)
        *ret_version = made;
    return r;
}

/* --- looking --------------------------------------------------------------------------------- */

int varve_version_show(struct varve *varve, const char *ref, struct varve_version *ret_version)
{
    struct catalog_version row;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = version_find_locked(catalog, ref, &row);
    if (r == 0)
        r = version_show_locked(varve, catalog, &row, ret_version);
    names_leave(varve);
    return r;
}

/* Newest first, and the uncommitted before all others. */
static int compare_versions(const void *one, const void *two)
{
    const struct varve_version *a = one, *b = two;

    if ((a->sequence == 0) != (b->sequence == 0))
        return a->sequence == 0 ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence > b->sequence ? -1 : 1;
    if (a->created != b->created)
        return a->created > b->created ? -1 : 1;
    return a->image > b->image ? -1 : 1;
}

static int collect_locked(struct varve *varve, struct catalog *catalog, const char *dataset,
                          bool all, struct rows *versions)
{
    struct rows rows = {.size = sizeof(struct catalog_version)};
    struct catalog_dataset row;
    struct dataset_view view;
    int r = dataset_find_locked(catalog, dataset, &row);

    if (r == 0)
        r = dataset_view_open_locked(varve, catalog, &row, &view);
    if (r != 0)
        return r;
    r = dataset_versions_locked(catalog, row.id, &rows);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        const struct catalog_version *one = rows_at(&rows, i);
        struct varve_version version;

        if (!all && one->sequence == 0)
            continue;
        r = version_stat_locked(&view, one, &version);
        if (r == 0)
            r = rows_add(versions, &version);
    }
    free(rows.rows);
    dataset_view_release(&view);
    return r;
}

int varve_version_list(struct varve *varve, const char *dataset, bool all,
                       varve_version_visit visit, void *opaque)
{
    struct rows versions = {.size = sizeof(struct varve_version)};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = collect_locked(varve, catalog, dataset, all, &versions);
    names_leave(varve);
    if (r == 0 && versions.count > 0)
        qsort(versions.rows, versions.count, versions.size, compare_versions);
    for (size_t i = 0; r == 0 && i < versions.count; i++)
        r = visit(opaque, rows_at(&versions, i));
    free(versions.rows);
    return r;
}

/* --- changes --------------------------------------------------------------------------------- */

static int update_locked(struct catalog *catalog, struct catalog_version *row,
                         const struct varve_version_update *update)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    const struct catalog_version_update changes = {
        .message = update->message,
        .settings = (const struct catalog_setting *)update->settings.settings,
        .setting_count = update->settings.count};
    const bool same = update->message == NULL || strcmp(update->message, row->message) == 0;
    int r;

    if (same && update->settings.count == 0)
        return 0;
    snprintf(what, sizeof what, "%s%s%s", same ? "" : "message: ", same ? "" : update->message,
             same                         ? "changed its metadata"
             : update->settings.count > 0 ? "; changed its metadata"
                                          : "");
    r = catalog_version_update(catalog, row, &changes, &change);
    return r == 0 ? catalog_version_find(catalog, row->dataset, row->id, row) : r;
}

int varve_version_update(struct varve *varve, const char *ref,
                         const struct varve_version_update *update,
                         struct varve_version *ret_version)
{
    struct catalog_version row;
    struct varve_version changed;
    struct catalog *catalog;
    int r = text_check("message", update->message, VARVE_MESSAGE_MAX);

    if (r == 0)
        r = settings_check(&update->settings);
    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    r = version_find_exactly_locked(catalog, ref, &row);
    if (r == 0)
        r = update_locked(catalog, &row, update);
    if (r == 0)
        r = version_show_locked(varve, catalog, &row, &changed);
    names_leave(varve);
    if (r == 0 && ret_version != NULL)
        *ret_version = changed;
    return r;
}
