#include <varve/tag.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_metadata.h"
#include "dataset/dataset_ref.h"
#include "dataset/dataset_view.h"
#include "volume/volume_name.h"

static void copy_tag(const struct catalog_dataset *dataset, const struct catalog_tag *row,
                     struct varve_tag *tag)
{
    char name[VARVE_DATASET_NAME_MAX + 1];

    catalog_dataset_full_name(dataset, name);
    *tag = (struct varve_tag){.time = row->time};
    snprintf(tag->ref, sizeof tag->ref, "%s:%s", name, row->name);
    memcpy(tag->name, row->name, sizeof row->name);
    memcpy(tag->version, row->version, sizeof row->version);
    memcpy(tag->who, row->who, sizeof row->who);
}

static int check_expect(const char *expect)
{
    if (expect == NULL || expect[0] == '\0' || catalog_is_version_id(expect))
        return 0;
    return varve_fail(EINVAL,
                      "'%s' is not a version's id, like 4k2m9x1: say at which version the tag is "
                      "expected to point",
                      show_text(expect).text);
}

static int set_locked(struct catalog *catalog, const char *ref, const char *name,
                      const char *expect, struct varve_tag *tag)
{
    struct catalog_dataset dataset;
    struct catalog_version version;
    struct catalog_tag row;
    int r = version_find_locked(catalog, ref, &version);

    if (r == 0 && version.sequence == 0)
        r = varve_fail(EPERM,
                       "version '%s' is not committed, and only a committed one can be tagged: "
                       "'varve datasets versions commit %s'",
                       version.ref, version.ref);
    if (r == 0)
        r = catalog_dataset_find(catalog, "", version.dataset, &dataset);
    if (r != 0)
        return r;
    const struct catalog_tag_move move = {&dataset, name, version.id, expect};
    r = catalog_tag_move(catalog, &move, varve_actor());
    if (r == 0)
        r = catalog_tag_find(catalog, dataset.id, name, &row);
    if (r == 0)
        copy_tag(&dataset, &row, tag);
    return r;
}

static int delete_locked(struct catalog *catalog, const char *dataset, const char *name,
                         const char *expect, struct varve_tag *tag)
{
    struct catalog_dataset row;
    struct catalog_tag was;
    int r = dataset_find_locked(catalog, dataset, &row);

    if (r != 0)
        return r;
    r = catalog_tag_find(catalog, row.id, name, &was);
    if (r == -ENOENT)
        return varve_fail(ENOENT, "dataset '%s' has no tag '%s'", dataset, name);
    if (r != 0)
        return r;
    const struct catalog_tag_move move = {&row, name, "", expect};
    copy_tag(&row, &was, tag);
    return catalog_tag_move(catalog, &move, varve_actor());
}

/* How both begin and end; `owner` is the ref that gets the tag, or the dataset that loses it. */
static int change(struct varve *varve,
                  int (*locked)(struct catalog *catalog, const char *owner, const char *name,
                                const char *expect, struct varve_tag *tag),
                  const char *owner, const char *name, const char *expect,
                  struct varve_tag *ret_tag)
{
    struct catalog *catalog;
    struct varve_tag tag;
    int r = catalog_tag_check(name);

    if (r == 0)
        r = check_expect(expect);
    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    r = locked(catalog, owner, name, expect, &tag);
    names_leave(varve);
    if (r == 0 && ret_tag != NULL)
        *ret_tag = tag;
    return r;
}

int varve_tag_set(struct varve *varve, const char *ref, const char *name, const char *expect,
                  struct varve_tag *ret_tag)
{
    return change(varve, set_locked, ref, name, expect, ret_tag);
}

int varve_tag_delete(struct varve *varve, const char *dataset, const char *name, const char *expect,
                     struct varve_tag *ret_tag)
{
    return change(varve, delete_locked, dataset, name, expect, ret_tag);
}

/* --- looking: collected under the lock, shown after it ---------------------------------------- */

static int collect_tags(struct catalog *catalog, const char *dataset, struct rows *tags)
{
    struct catalog_tag row = {.name = ""};
    struct catalog_dataset found;
    struct varve_tag tag;
    int r = dataset_find_locked(catalog, dataset, &found);

    if (r != 0)
        return r;
    while ((r = catalog_tag_next(catalog, found.id, row.name, &row)) == 0) {
        copy_tag(&found, &row, &tag);
        r = rows_add(tags, &tag);
        if (r != 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

int varve_tag_list(struct varve *varve, const char *dataset, varve_tag_visit visit, void *opaque)
{
    struct rows tags = {.size = sizeof(struct varve_tag)};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = collect_tags(catalog, dataset, &tags);
    names_leave(varve);
    for (size_t i = 0; r == 0 && i < tags.count; i++)
        r = visit(opaque, rows_at(&tags, i));
    free(tags.rows);
    return r;
}

static int collect_events(struct catalog *catalog, const struct catalog_dataset *dataset,
                          const char *name, struct rows *events)
{
    struct catalog_tag_event row = {.number = 0};
    int r;

    while ((r = catalog_tag_event_next(catalog, dataset->id, name != NULL ? name : "", row.number,
                                       &row)) == 0) {
        struct varve_tag_event event = {.number = row.number, .time = row.time};

        memcpy(event.who, row.who, sizeof row.who);
        memcpy(event.name, row.name, sizeof row.name);
        memcpy(event.version, row.version, sizeof row.version);
        memcpy(event.before, row.before, sizeof row.before);
        r = rows_add(events, &event);
        if (r != 0)
            return r;
    }
    if (r == -ENOENT && name != NULL && events->count == 0)
        return varve_fail(ENOENT, "dataset '%s' never had a tag '%s'", dataset->name, name);
    return r == -ENOENT ? 0 : r;
}

int varve_tag_history(struct varve *varve, const char *dataset, const char *name,
                      varve_tag_event_visit visit, void *opaque)
{
    struct rows events = {.size = sizeof(struct varve_tag_event)};
    struct catalog_dataset row;
    struct catalog *catalog;
    int r = name != NULL ? catalog_tag_check(name) : 0;

    if (r == 0)
        r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = dataset_find_locked(catalog, dataset, &row);
    if (r == 0)
        r = collect_events(catalog, &row, name, &events);
    names_leave(varve);
    for (size_t i = 0; r == 0 && i < events.count; i++)
        r = visit(opaque, rows_at(&events, i));
    free(events.rows);
    return r;
}

/* --- metadata -------------------------------------------------------------------------------- */

static int collect_metadata(struct catalog *catalog, const char *ref, struct rows *rows)
{
    struct catalog_metadata row = {.key = ""};
    struct catalog_version version = {.id = ""};
    struct catalog_dataset dataset;
    int r;

    if (strchr(ref, ':') != NULL) {
        r = version_find_locked(catalog, ref, &version);
    } else {
        r = dataset_find_locked(catalog, ref, &dataset);
        if (r == 0)
            memcpy(version.dataset, dataset.id, sizeof version.dataset);
    }
    if (r != 0)
        return r;
    while ((r = catalog_metadata_next(catalog, version.dataset, version.id, row.key, &row)) == 0) {
        r = rows_add(rows, &row);
        if (r != 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

int varve_metadata_list(struct varve *varve, const char *ref, varve_metadata_visit visit,
                        void *opaque)
{
    struct rows rows = {.size = sizeof(struct catalog_metadata)};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = collect_metadata(catalog, ref, &rows);
    names_leave(varve);
    for (size_t i = 0; r == 0 && i < rows.count; i++) {
        const struct catalog_metadata *row = rows_at(&rows, i);

        r = visit(opaque, row->key, row->value);
    }
    free(rows.rows);
    return r;
}
