#include "catalog/catalog_datasets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"
#include "catalog/catalog_settings.h"

static const char kind[] = "dataset";

#define COLUMNS "id, team, name, description, size, created, who, last_sequence"

enum { FULL_NAME = 2 * CATALOG_NAME_MAX + 2 };

bool catalog_is_dataset_id(const char *text)
{
    return strlen(text) == CATALOG_DATASET_ID && strncmp(text, "ds", 2) == 0 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == CATALOG_DATASET_ID;
}

void catalog_dataset_full_name(const struct catalog_dataset *dataset, char ret_text[FULL_NAME])
{
    snprintf(ret_text, FULL_NAME, "%s%s%s", dataset->team, dataset->team[0] != '\0' ? "/" : "",
             dataset->name);
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_dataset)
{
    struct catalog_dataset row = {.id = ""};
    int r = catalog_column_text(catalog, statement, 0, row.id, sizeof row.id);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 1, row.team, sizeof row.team);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 2, row.name, sizeof row.name);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 3, row.description, sizeof row.description);
    row.size = (uint64_t)sqlite3_column_int64(statement, 4);
    row.created = sqlite3_column_int64(statement, 5);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 6, row.who, sizeof row.who);
    row.last_sequence = sqlite3_column_int64(statement, 7);
    if (r == 0)
        *(struct catalog_dataset *)ret_dataset = row;
    return r;
}

static int no_such_dataset(const char *team, const char *name_or_id)
{
    return varve_fail(ENOENT,
                      "there is no dataset '%s%s%s'; 'varve datasets list' shows what there is",
                      team, team[0] != '\0' ? "/" : "", name_or_id);
}

int catalog_dataset_find(struct catalog *catalog, const char *team, const char *name_or_id,
                         struct catalog_dataset *ret_dataset)
{
    int r = catalog_find(catalog, read_row, ret_dataset,
                         catalog_is_dataset_id(name_or_id)
                             ? "SELECT " COLUMNS
                               " FROM dataset WHERE (?1 = '' OR team = ?1) AND id = ?2"
                             : "SELECT " COLUMNS " FROM dataset WHERE team = ?1 AND name = ?2",
                         "tt", team, name_or_id);

    return r == -ENOENT ? no_such_dataset(team, name_or_id) : r;
}

int catalog_dataset_next(struct catalog *catalog, const char *after_team, const char *after_name,
                         struct catalog_dataset *ret_dataset)
{
    return catalog_find(catalog, read_row, ret_dataset,
                        "SELECT " COLUMNS " FROM dataset WHERE (team, name) > (?1, ?2) "
                        "ORDER BY team, name LIMIT 1",
                        "tt", after_team, after_name);
}

static int insert_row_locked(struct catalog *catalog, const struct catalog_dataset *dataset)
{
    int r = catalog_do_locked(
        catalog,
        "INSERT INTO dataset (" COLUMNS ") SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 0 "
        "WHERE NOT EXISTS (SELECT 1 FROM retired WHERE dataset = ?1)",
        "ttttnnt", dataset->id, dataset->team, dataset->name, dataset->description,
        (int64_t)dataset->size, dataset->created, dataset->who);

    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        r = -EEXIST;
    return r;
}

static int name_is_taken(const char *full_name)
{
    return varve_fail(EEXIST, "dataset '%s' exists already; choose another name", full_name);
}

int catalog_dataset_insert(struct catalog *catalog, const struct catalog_dataset *dataset,
                           const struct catalog_belongings *belongings,
                           const struct catalog_change *change)
{
    char object[FULL_NAME];
    int r;

    catalog_dataset_full_name(dataset, object);
    r = catalog_begin_change(catalog);
    if (r != 0)
        return r;
    r = insert_row_locked(catalog, dataset);
    if (r == 0)
        r = catalog_settings_apply_locked(catalog, dataset->id, "", belongings->settings,
                                          belongings->setting_count);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    r = catalog_end_change(catalog, r);
    return r == -EEXIST ? name_is_taken(object) : r;
}

static int update_row_locked(struct catalog *catalog, const struct catalog_dataset *dataset,
                             const struct catalog_dataset_update *update)
{
    int r = catalog_do_locked(
        catalog, "UPDATE dataset SET name = ?2, description = ?3, size = ?4 WHERE id = ?1", "tttn",
        dataset->id, update->name != NULL ? update->name : dataset->name,
        update->description != NULL ? update->description : dataset->description,
        (int64_t)(update->size != NULL ? *update->size : dataset->size));

    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        r = no_such_dataset("", dataset->id);
    return r;
}

int catalog_dataset_update(struct catalog *catalog, const struct catalog_dataset *dataset,
                           const struct catalog_dataset_update *update,
                           const struct catalog_change *change)
{
    struct catalog_dataset named = *dataset;
    char object[FULL_NAME];
    int r;

    if (update->name != NULL)
        snprintf(named.name, sizeof named.name, "%s", update->name);
    catalog_dataset_full_name(&named, object);
    r = catalog_begin_change(catalog);
    if (r != 0)
        return r;
    r = update_row_locked(catalog, dataset, update);
    if (r == 0)
        r = catalog_settings_apply_locked(catalog, dataset->id, "", update->settings,
                                          update->setting_count);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    r = catalog_end_change(catalog, r);
    return r == -EEXIST ? name_is_taken(object) : r;
}

/* Statements with the dataset's id as ?1. */
static int run_all_locked(struct catalog *catalog, const struct catalog_dataset *dataset,
                          const char *const *statements, size_t count)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        r = catalog_do_locked(catalog, statements[i], "t", dataset->id);
    }
    return r;
}

/* What hangs on it goes first: a version that is left breaks a constraint. */
static int delete_rows_locked(struct catalog *catalog, const struct catalog_dataset *dataset)
{
    static const char *const statements[] = {
        "DELETE FROM metadata WHERE dataset = ?1 AND version = ''",
        "DELETE FROM tag_event WHERE dataset = ?1",
        "INSERT OR IGNORE INTO retired (dataset, id) VALUES (?1, '')",
        "DELETE FROM dataset WHERE id = ?1",
    };

    return run_all_locked(catalog, dataset, statements, sizeof statements / sizeof statements[0]);
}

static int has_versions_locked(struct catalog *catalog, const char *dataset)
{
    return catalog_do_locked(catalog, "SELECT 1 FROM version WHERE dataset = ?1 LIMIT 1", "t",
                             dataset);
}

int catalog_dataset_delete(struct catalog *catalog, const struct catalog_dataset *dataset,
                           const struct catalog_change *change)
{
    char object[FULL_NAME];
    int r;

    catalog_dataset_full_name(dataset, object);
    r = catalog_begin_change(catalog);
    if (r != 0)
        return r;
    r = has_versions_locked(catalog, dataset->id);
    if (r == 1)
        r = varve_fail(EBUSY, "dataset '%s' has versions; delete them first", object);
    if (r == 0)
        r = delete_rows_locked(catalog, dataset);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    return catalog_end_change(catalog, r);
}

static int delete_versions_locked(struct catalog *catalog, const struct catalog_dataset *dataset)
{
    static const char *const statements[] = {
        "DELETE FROM tag WHERE dataset = ?1",
        "DELETE FROM metadata WHERE dataset = ?1",
        "DELETE FROM hold WHERE image IN (SELECT image FROM version WHERE dataset = ?1)",
        "INSERT INTO retired (dataset, id) SELECT dataset, id FROM version WHERE dataset = ?1",
        "DELETE FROM version WHERE dataset = ?1",
    };

    return run_all_locked(catalog, dataset, statements, sizeof statements / sizeof statements[0]);
}

int catalog_dataset_delete_whole(struct catalog *catalog, const struct catalog_dataset *dataset,
                                 const struct catalog_change *change)
{
    char object[FULL_NAME];
    int r;

    catalog_dataset_full_name(dataset, object);
    r = catalog_begin_change(catalog);
    if (r != 0)
        return r;
    r = delete_versions_locked(catalog, dataset);
    if (r == 0)
        r = delete_rows_locked(catalog, dataset);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    return catalog_end_change(catalog, r);
}
