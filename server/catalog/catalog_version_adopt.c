/* Versions that are known from the store alone. */
#include <errno.h>
#include <stdio.h>

#include "catalog/catalog_connection.h"
#include "catalog/catalog_versions.h"

static int run(struct catalog *catalog, sqlite3_stmt *statement, int r)
{
    if (r == 0)
        r = catalog_step_locked(catalog, statement);
    catalog_finish(catalog, statement);
    return r;
}

static int make_dataset(struct catalog *catalog, const struct catalog_version *version)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(
        catalog, &statement,
        "INSERT INTO dataset (id, team, name, description, size, created, who, last_sequence) "
        "SELECT ?1, '', 'found-' || substr(?1, 3), '', 0, ?2, ?3, 0 "
        "WHERE NOT EXISTS (SELECT 1 FROM dataset WHERE id = ?1)",
        "tnt", version->dataset, version->created, version->who);

    return run(catalog, statement, r);
}

static int insert_row(struct catalog *catalog, const struct catalog_version *version)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(
        catalog, &statement,
        "INSERT INTO version (dataset, id, image, created, who, message, parent, sequence, "
        "committed, committer, digest, class, tree_image, manifest_image, files) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, nullif(?10, ''), nullif(?11, ''), "
        "nullif(?12, ''), ?13, ?14, ?15)",
        "ttnntttmmtttmmm", version->dataset, version->id, (int64_t)version->image, version->created,
        version->who, version->message, version->parent, version->sequence, version->committed,
        version->committer, version->digest, version->class, (int64_t)version->tree_image,
        (int64_t)version->manifest_image, (int64_t)version->files);

    return run(catalog, statement, r);
}

static int raise_sequence(struct catalog *catalog, const struct catalog_version *version)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(
        catalog, &statement,
        "UPDATE dataset SET last_sequence = max(last_sequence, ?2) WHERE id = ?1", "tn",
        version->dataset, version->sequence);

    return run(catalog, statement, r);
}

int catalog_version_adopt(struct catalog *catalog, const struct catalog_version *version,
                          const struct catalog_change *change)
{
    char object[CATALOG_DATASET_ID + CATALOG_VERSION_ID + 2];
    int r;

    snprintf(object, sizeof object, "%s:%s", version->dataset, version->id);
    catalog_lock(catalog);
    r = catalog_begin_locked(catalog);
    if (r == 0) {
        r = make_dataset(catalog, version);
        if (r == 0)
            r = insert_row(catalog, version);
        if (r == 0)
            r = raise_sequence(catalog, version);
        if (r == 0)
            r = catalog_history_insert_locked(catalog, "version", object, change);
        r = catalog_end_locked(catalog, r);
    }
    catalog_unlock(catalog);
    return r;
}
