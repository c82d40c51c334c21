/* What can be done with a dataset as a whole, but for its deletion. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "catalog/catalog_metadata.h"
#include "dataset/dataset_id.h"
#include "dataset/dataset_ref.h"
#include "dataset/dataset_view.h"
#include "volume/name_taken.h"
#include "volume/volume_name.h"

enum { DRAWS_MAX = 3 };

/* A size of 0 says nothing. */
static int check_size(uint64_t size)
{
    return size == 0 ? 0 : size_check(size);
}

static int insert_locked(struct catalog *catalog, struct catalog_dataset *row,
                         const struct varve_dataset_options *options)
{
    const struct catalog_change change = {varve_actor(), "created"};
    const struct catalog_belongings belongings = {
        .settings = (const struct catalog_setting *)options->settings.settings,
        .setting_count = options->settings.count};
    int r = -EEXIST;

    for (int i = 0; r == -EEXIST && i < DRAWS_MAX; i++) {
        struct catalog_dataset other;

        r = catalog_dataset_find(catalog, row->team, row->name, &other);
        if (r == 0)
            return varve_fail(EEXIST, "dataset '%s%s%s' exists already; choose another name",
                              row->team, row->team[0] != '\0' ? "/" : "", row->name);
        if (r == -ENOENT)
            r = dataset_id_draw(row->id);
        if (r == 0)
            r = catalog_dataset_insert(catalog, row, &belongings, &change);
    }
    return r;
}

_Static_assert(sizeof(struct varve_setting) == sizeof(struct catalog_setting) &&
                   offsetof(struct varve_setting, value) == offsetof(struct catalog_setting, value),
               "settings are handed to the catalog as they are");

int varve_dataset_create(struct varve *varve, const struct varve_dataset_options *options,
                         struct varve_dataset *ret_dataset)
{
    struct catalog_dataset row = {.size = options->size, .created = (int64_t)time(NULL)};
    struct varve_dataset made;
    struct catalog *catalog;
    int r = dataset_name_parse(options->name, &row);

    if (r == 0)
        r = text_check("description", options->description, VARVE_MESSAGE_MAX);
    if (r == 0)
        r = check_size(options->size);
    if (r == 0)
        r = settings_check(&options->settings);
    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    snprintf(row.who, sizeof row.who, "%s", varve_actor());
    snprintf(row.description, sizeof row.description, "%s",
             options->description != NULL ? options->description : "");
    if (row.team[0] == '\0')
        r = name_is_free_locked(catalog, row.name);
    if (r == 0)
        r = insert_locked(catalog, &row, options);
    if (r == 0)
        r = dataset_show_locked(varve, catalog, &row, &made);
    names_leave(varve);
    if (r == 0 && ret_dataset != NULL)
        *ret_dataset = made;
    return r;
}

int varve_dataset_show(struct varve *varve, const char *dataset, struct varve_dataset *ret_dataset)
{
    struct catalog_dataset row;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = dataset_find_locked(catalog, dataset, &row);
    if (r == 0)
        r = dataset_show_locked(varve, catalog, &row, ret_dataset);
    names_leave(varve);
    return r;
}

static int collect(struct varve *varve, struct rows *datasets)
{
    struct catalog_dataset row = {.id = ""};
    struct varve_dataset dataset;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    while ((r = catalog_dataset_next(catalog, row.team, row.name, &row)) == 0) {
        r = dataset_show_locked(varve, catalog, &row, &dataset);
        if (r == 0)
            r = rows_add(datasets, &dataset);
        if (r != 0)
            break;
    }
    names_leave(varve);
    return r == -ENOENT ? 0 : r;
}

int varve_dataset_list(struct varve *varve, varve_dataset_visit visit, void *opaque)
{
    struct rows datasets = {.size = sizeof(struct varve_dataset)};
    int r = collect(varve, &datasets);

    for (size_t i = 0; r == 0 && i < datasets.count; i++)
        r = visit(opaque, rows_at(&datasets, i));
    free(datasets.rows);
    return r;
}

/* --- changes --------------------------------------------------------------------------------- */

static int check_update(const struct varve_dataset_update *update)
{
    struct catalog_dataset named;
    int r = 0;

    if (update->name != NULL && strchr(update->name, '/') != NULL)
        return varve_fail(EINVAL, "'%s' names a team, which cannot change: take a name alone",
                          show_text(update->name).text);
    if (update->name != NULL)
        r = dataset_name_parse(update->name, &named);
    if (r == 0)
        r = text_check("description", update->description, VARVE_MESSAGE_MAX);
    if (r == 0 && update->size != NULL)
        r = check_size(*update->size);
    return r == 0 ? settings_check(&update->settings) : r;
}

/* For the history: what was changed, with the old name, which the row does not tell any more. */
static void describe(const struct catalog_dataset *row, const struct varve_dataset_update *update,
                     char what[CATALOG_WHAT_MAX + 1])
{
    size_t used = 0;
    const struct {
        const char *text, *value;
    } parts[] = {
        {"renamed from ", update->name != NULL ? row->name : NULL},
        {"description: ", update->description},
        {"set the size of new versions", update->size != NULL ? "" : NULL},
        {"changed its metadata", update->settings.count > 0 ? "" : NULL},
    };

    what[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && used < CATALOG_WHAT_MAX; i++)
        if (parts[i].value != NULL)
            used += (size_t)snprintf(what + used, CATALOG_WHAT_MAX + 1 - used, "%s%s%s",
                                     used > 0 ? "; " : "", parts[i].text, parts[i].value);
}

static int update_locked(struct catalog *catalog, struct catalog_dataset *row,
                         const struct varve_dataset_update *update)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    const struct catalog_dataset_update changes = {
        .name = update->name,
        .description = update->description,
        .size = update->size,
        .settings = (const struct catalog_setting *)update->settings.settings,
        .setting_count = update->settings.count};
    bool renamed = update->name != NULL && strcmp(update->name, row->name) != 0;
    int r = renamed && row->team[0] == '\0' ? name_is_free_locked(catalog, update->name) : 0;

    describe(row, update, what);
    if (r == 0)
        r = catalog_dataset_update(catalog, row, &changes, &change);
    return r == 0 ? catalog_dataset_find(catalog, "", row->id, row) : r;
}

int varve_dataset_update(struct varve *varve, const char *dataset,
                         const struct varve_dataset_update *update,
                         struct varve_dataset *ret_dataset)
{
    struct catalog_dataset row;
    struct varve_dataset changed;
    struct catalog *catalog;
    int r = check_update(update);

    if (r == 0)
        r = names_enter_to_change(varve, &catalog);
    if (r != 0)
        return r;
    r = dataset_find_locked(catalog, dataset, &row);
    if (r == 0)
        r = update_locked(catalog, &row, update);
    if (r == 0)
        r = dataset_show_locked(varve, catalog, &row, &changed);
    names_leave(varve);
    if (r == 0 && ret_dataset != NULL)
        *ret_dataset = changed;
    return r;
}
