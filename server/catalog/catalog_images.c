#include "catalog/catalog_images.h"

#include <errno.h>

#include "catalog/catalog_connection.h"

#define VERSION_REF "CASE d.team WHEN '' THEN '' ELSE d.team || '/' END || d.name || ':' || v.id"
#define OF_VERSIONS " FROM version v JOIN dataset d ON d.id = v.dataset"

/* Kinds as in enum catalog_image_kind. `number` is shared, head or sequence. */
#define IMAGES                                                                                     \
    "SELECT image, kind, ref, name, number, dataset, version FROM ("                               \
    "SELECT image, 0 AS kind, name AS ref, name, shared AS number, '' AS dataset, '' AS version"   \
    " FROM volume"                                                                                 \
    " UNION ALL SELECT image, 1, volume || '@' || name, name, head, '', '' FROM snapshot"          \
    " UNION ALL SELECT v.image, 2, " VERSION_REF ", '', coalesce(v.sequence, 0), d.id, "           \
    "v.id" OF_VERSIONS " UNION ALL SELECT v.tree_image, 3, " VERSION_REF                           \
    ", '', 0, d.id, v.id" OF_VERSIONS " WHERE v.tree_image IS NOT NULL"                            \
    " UNION ALL SELECT v.manifest_image, 4, " VERSION_REF ", '', 0, d.id, v.id" OF_VERSIONS        \
    " WHERE v.manifest_image IS NOT NULL)"

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_image)
{
    struct catalog_image row = {.image = (uint64_t)sqlite3_column_int64(statement, 0),
                                .kind = (enum catalog_image_kind)sqlite3_column_int(statement, 1)};
    uint64_t number = (uint64_t)sqlite3_column_int64(statement, 4);
    int r = catalog_column_text(catalog, statement, 2, row.ref, sizeof row.ref);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 3, row.name, sizeof row.name);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 5, row.dataset, sizeof row.dataset);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 6, row.version, sizeof row.version);
    if (r != 0)
        return r;
    row.shared = row.kind == CATALOG_IMAGE_VOLUME && number != 0;
    row.head = row.kind == CATALOG_IMAGE_SNAPSHOT ? number : 0;
    row.sequence = row.kind == CATALOG_IMAGE_VERSION ? number : 0;
    *(struct catalog_image *)ret_image = row;
    return 0;
}

int catalog_image_find(struct catalog *catalog, uint64_t image, struct catalog_image *ret_image)
{
    return catalog_find(catalog, read_row, ret_image, IMAGES " WHERE image = ?1", "n",
                        (int64_t)image);
}

int catalog_images_read(struct catalog *catalog, struct catalog_image **ret_images,
                        size_t *ret_count)
{
    sqlite3_stmt *statement = NULL;
    void *rows = NULL;
    int r;

    catalog_lock(catalog);
    r = catalog_prepare_locked(catalog, IMAGES " ORDER BY image", &statement);
    r = catalog_read_all_locked(catalog, statement, r, read_row, sizeof **ret_images, &rows,
                                ret_count);
    catalog_unlock(catalog);
    if (r == 0)
        *ret_images = rows;
    return r;
}

static int read_version_image(struct catalog *catalog, sqlite3_stmt *statement, void *ret_image)
{
    (void)catalog;
    *(struct catalog_version_image *)ret_image =
        (struct catalog_version_image){.image = (uint64_t)sqlite3_column_int64(statement, 0),
                                       .committed = sqlite3_column_int(statement, 1) != 0};
    return 0;
}

int catalog_version_images_read(struct catalog *catalog, const char *dataset,
                                struct catalog_version_image **ret_images, size_t *ret_count)
{
    sqlite3_stmt *statement = NULL;
    void *rows = NULL;
    int r;

    catalog_lock(catalog);
    r = catalog_query_locked(catalog, &statement,
                             "SELECT image, sequence IS NOT NULL FROM version WHERE dataset = ?1 "
                             "ORDER BY id",
                             "t", dataset);
    r = catalog_read_all_locked(catalog, statement, r, read_version_image, sizeof **ret_images,
                                &rows, ret_count);
    catalog_unlock(catalog);
    if (r == 0)
        *ret_images = rows;
    return r;
}
