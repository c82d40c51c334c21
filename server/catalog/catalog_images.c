#include "catalog/catalog_images.h"

#include <errno.h>
#include <stdlib.h>
#include <varve/error.h>

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

static int read_row(struct catalog *catalog, sqlite3_stmt *statement,
                    struct catalog_image *ret_image)
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
    *ret_image = row;
    return 0;
}

int catalog_image_find(struct catalog *catalog, uint64_t image, struct catalog_image *ret_image)
{
    sqlite3_stmt *statement = NULL;
    int r;

    catalog_lock(catalog);
    r = catalog_query_locked(catalog, &statement, IMAGES " WHERE image = ?1", "n", (int64_t)image);
    if (r == 0)
        r = catalog_step_locked(catalog, statement);
    if (r == 1)
        r = read_row(catalog, statement, ret_image);
    else if (r == 0)
        r = -ENOENT;
    catalog_finish(catalog, statement);
    catalog_unlock(catalog);
    return r;
}

static int read_all(struct catalog *catalog, sqlite3_stmt *statement,
                    struct catalog_image **ret_images, size_t *ret_count)
{
    struct catalog_image *images = NULL;
    size_t count = 0, room = 0;
    int r;

    while ((r = catalog_step_locked(catalog, statement)) == 1) {
        if (count == room) {
            size_t more = room == 0 ? 64 : room * 2;
            struct catalog_image *grown = reallocarray(images, more, sizeof *images);

            if (grown == NULL) {
                r = varve_fail(ENOMEM, "no memory for a list of %zu images", more);
                break;
            }
            images = grown;
            room = more;
        }
        r = read_row(catalog, statement, &images[count]);
        if (r != 0)
            break;
        count++;
    }
    if (r != 0) {
        free(images);
        return r;
    }
    *ret_images = images;
    *ret_count = count;
    return 0;
}

int catalog_images_read(struct catalog *catalog, struct catalog_image **ret_images,
                        size_t *ret_count)
{
    sqlite3_stmt *statement = NULL;
    int r;

    catalog_lock(catalog);
    r = catalog_prepare_locked(catalog, IMAGES " ORDER BY image", &statement);
    if (r == 0)
        r = read_all(catalog, statement, ret_images, ret_count);
    catalog_finish(catalog, statement);
    catalog_unlock(catalog);
    return r;
}

static int read_version_images(struct catalog *catalog, sqlite3_stmt *statement,
                               struct catalog_version_image **ret_images, size_t *ret_count)
{
    struct catalog_version_image *images = NULL;
    size_t count = 0, room = 0;
    int r;

    while ((r = catalog_step_locked(catalog, statement)) == 1) {
        if (count == room) {
            struct catalog_version_image *grown;

            room = room == 0 ? 64 : room * 2;
            grown = reallocarray(images, room, sizeof *images);
            if (grown == NULL) {
                r = varve_no_memory("a list of versions");
                break;
            }
            images = grown;
        }
        images[count++] =
            (struct catalog_version_image){.image = (uint64_t)sqlite3_column_int64(statement, 0),
                                           .committed = sqlite3_column_int(statement, 1) != 0};
    }
    if (r != 0) {
        free(images);
        return r;
    }
    *ret_images = images;
    *ret_count = count;
    return 0;
}

int catalog_version_images_read(struct catalog *catalog, const char *dataset,
                                struct catalog_version_image **ret_images, size_t *ret_count)
{
    sqlite3_stmt *statement = NULL;
    int r;

    catalog_lock(catalog);
    r = catalog_query_locked(catalog, &statement,
                             "SELECT image, sequence IS NOT NULL FROM version WHERE dataset = ?1 "
                             "ORDER BY id",
                             "t", dataset);
    if (r == 0)
        r = read_version_images(catalog, statement, ret_images, ret_count);
    catalog_finish(catalog, statement);
    catalog_unlock(catalog);
    return r;
}
