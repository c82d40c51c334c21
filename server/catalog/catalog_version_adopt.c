/* Versions that are known from the store alone. */
#include <errno.h>
#include <stdio.h>

#include "catalog/catalog_connection.h"
#include "catalog/catalog_versions.h"

static int make_dataset(struct catalog *catalog, const struct catalog_version *version)
{
    return catalog_do_locked(
        catalog,
        "INSERT INTO dataset (id, team, name, description, size, created, who, last_sequence) "
        "SELECT ?1, '', 'found-' || substr(?1, 3), '', 0, ?2, ?3, 0 "
        "WHERE NOT EXISTS (SELECT 1 FROM dataset WHERE id = ?1)",
        "tnt", version->dataset, version->created, version->who);
}

static int insert_row(struct catalog *catalog, const struct catalog_version *version)
{
    return catalog_do_locked(
        catalog,
        "INSERT INTO version (dataset, id, image, created, who, message, parent, sequence, "
        "committed, committer, digest, class, tree_image, manifest_image, files) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, nullif(?10, ''), nullif(?11, ''), "
        "nullif(?12, ''), ?13, ?14, ?15)",
        "ttnntttmmtttmmm", version->dataset, version->id, (int64_t)version->image, version->created,
        version->who, version->message, version->parent, version->sequence, version->committed,
        version->committer, version->digest, version->class, (int64_t)version->tree_image,
        (int64_t)version->manifest_image, (int64_t)version->files);
}

static int raise_sequence(struct catalog *catalog, const struct catalog_version *version)
{
    return catalog_do_locked(
        catalog, "UPDATE dataset SET last_sequence = max(last_sequence, ?2) WHERE id = ?1", "tn",
        version->dataset, version->sequence);
}

int catalog_version_adopt(struct catalog *catalog, const struct catalog_version *version,
                          const struct catalog_change *change)
{
    char object[CATALOG_DATASET_ID + CATALOG_VERSION_ID + 2];
    int r;

    snprintf(object, sizeof object, "%s:%s", version->dataset, version->id);
    r = catalog_begin_change(catalog);
    if (r != 0)
        return r;
    r = make_dataset(catalog, version);
    if (r == 0)
        r = insert_row(catalog, version);
    if (r == 0)
        r = raise_sequence(catalog, version);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, "version", object, change);
    return catalog_end_change(catalog, r);
}
