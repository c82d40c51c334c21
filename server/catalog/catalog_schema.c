/*
 * The schema, as the list of steps that led to it. A step that was ever released is never edited:
 * a change is a further step. The file's user_version counts the steps it has taken.
 *
 * What comes with datasets and snapshots (team, dataset, version, tag, metadata, hold, snapshot)
 * has its own tables, which refer to `volume.id` where they must survive a rename, and adds its
 * images to the view `named_image`: the one answer to "does any row name this image". The store
 * never uses an image's number again, and so no table but the view needs to know of all kinds.
 */
#include <errno.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

enum { APPLICATION_ID = 0x76617276 }; /* "varv" */

static const char *const steps[] = {
    /* 1: volumes and history. The pattern of names is checked here a second time, so that no way in
       leads around it. */
    "CREATE TABLE volume ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63"
    "       AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),"
    "  image INTEGER NOT NULL UNIQUE CHECK (image > 0),"
    "  created INTEGER NOT NULL,"
    "  shared INTEGER NOT NULL CHECK (shared IN (0, 1)),"
    "  reserved INTEGER NOT NULL CHECK (reserved IN (0, 1))"
    ") STRICT;"
    "CREATE VIEW named_image (image) AS SELECT image FROM volume;"
    "CREATE TABLE history ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  time INTEGER NOT NULL,"
    "  who TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  object TEXT NOT NULL,"
    "  what TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX history_of_object ON history (kind, object, number);",
};

enum { STEPS = sizeof steps / sizeof steps[0] };

static int read_number(struct catalog *catalog, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_prepare_locked(catalog, sql, &statement);

    if (r == 0) {
        r = catalog_step_locked(catalog, statement);
        if (r == 1)
            *ret_number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return r < 0 ? r : 0;
}

static int take_step(struct catalog *catalog, int step)
{
    char mark[128];
    int r = catalog_begin_locked(catalog);

    if (r != 0)
        return r;
    r = catalog_execute_locked(catalog, steps[step]);
    sqlite3_snprintf(sizeof mark, mark, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                     APPLICATION_ID, step + 1);
    if (r == 0)
        r = catalog_execute_locked(catalog, mark);
    return catalog_end_locked(catalog, r);
}

int catalog_schema_upgrade_locked(struct catalog *catalog)
{
    int64_t application = 0, version = 0, tables = 0;
    int r = read_number(catalog, "PRAGMA application_id", &application);

    if (r == 0)
        r = read_number(catalog, "PRAGMA user_version", &version);
    if (r == 0)
        r = read_number(catalog, "SELECT count(*) FROM sqlite_schema", &tables);
    if (r != 0)
        return r;
    if (application != APPLICATION_ID && (tables != 0 || version != 0 || application != 0))
        return varve_fail(EIO,
                          "'%s' is an SQLite database, but not a varve catalog (application id "
                          "%#llx); put the right file back, or move it away",
                          catalog->path, (unsigned long long)application);
    if (version < 0 || version > STEPS)
        return varve_fail(EIO,
                          "catalog '%s' was written by a later version of varve (schema %lld, this "
                          "one knows up to %d); use that version",
                          catalog->path, (long long)version, (int)STEPS);
    for (int step = (int)version; r == 0 && step < STEPS; step++)
        r = take_step(catalog, step);
    return r;
}
