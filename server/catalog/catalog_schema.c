/*
 * The schema, as the list of steps that led to it. A step that was ever released is never edited:
 * a change is a further step. The file's user_version counts the steps it has taken.
 *
 * The view `named_image` is the one answer to "does any row name this image"; a step that adds a
 * kind of image adds it there. The store never uses an image's number again, and so no table but
 * the view needs to know of all kinds.
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

    /* 2: snapshots, datasets. A snapshot keeps its volume's name in a column of its own, since it
       outlives the volume; `head` is the image that it was taken of. A version's id and sequence
       number are never used again: `last_sequence` and `retired` see to that. */
    "CREATE TABLE property (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE snapshot ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  volume TEXT NOT NULL CHECK (length(volume) BETWEEN 1 AND 63"
    "       AND volume NOT GLOB '*[^a-z0-9._-]*' AND volume GLOB '[a-z0-9]*'),"
    "  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63"
    "       AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),"
    "  head INTEGER NOT NULL CHECK (head > 0),"
    "  image INTEGER NOT NULL UNIQUE CHECK (image > 0),"
    "  created INTEGER NOT NULL,"
    "  who TEXT NOT NULL,"
    "  message TEXT NOT NULL,"
    "  schedule INTEGER NOT NULL," /* seconds of the schedule that took it; 0: a person */
    "  UNIQUE (volume, name)"
    ") STRICT;"
    "CREATE INDEX snapshot_of_volume ON snapshot (volume, id);"
    "CREATE TABLE schedule ("
    "  volume TEXT NOT NULL,"
    "  every INTEGER NOT NULL CHECK (every > 0)," /* seconds */
    "  keep INTEGER NOT NULL CHECK (keep > 0),"
    "  last INTEGER NOT NULL," /* when it last ran, seconds since 1970 */
    "  PRIMARY KEY (volume, every)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE dataset ("
    "  id TEXT PRIMARY KEY CHECK (length(id) = 15 AND id GLOB 'ds*'"
    "       AND id NOT GLOB '*[^a-z0-9]*'),"
    "  team TEXT NOT NULL CHECK (length(team) <= 63 AND team NOT GLOB '*[^a-z0-9._-]*'),"
    "  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63"
    "       AND name NOT GLOB '*[^a-z0-9._-]*' AND name GLOB '[a-z0-9]*'),"
    "  description TEXT NOT NULL,"
    "  size INTEGER NOT NULL CHECK (size >= 0)," /* bytes of an empty new version; 0: not said */
    "  created INTEGER NOT NULL,"
    "  who TEXT NOT NULL,"
    "  last_sequence INTEGER NOT NULL,"
    "  UNIQUE (team, name)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE version ("
    "  dataset TEXT NOT NULL REFERENCES dataset (id),"
    "  id TEXT NOT NULL CHECK (length(id) = 7 AND id GLOB '[0-9]*'"
    "       AND id NOT GLOB '*[^a-z0-9]*'),"
    "  image INTEGER NOT NULL UNIQUE CHECK (image > 0),"
    "  created INTEGER NOT NULL,"
    "  who TEXT NOT NULL,"
    "  message TEXT NOT NULL,"
    "  parent TEXT NOT NULL," /* the ref that it was cloned from, in full; '' for none */
    "  sequence INTEGER CHECK (sequence > 0)," /* NULL: not committed; so are all below */
    "  committed INTEGER,"
    "  committer TEXT,"
    "  digest TEXT CHECK (length(digest) = 64),"
    "  class TEXT,"                    /* clean, dirty, unknown, raw: as found at the commit */
    "  tree_image INTEGER UNIQUE,"     /* digests of its parts; see server/digest/DIGEST.md */
    "  manifest_image INTEGER UNIQUE," /* list of its files */
    "  files INTEGER,"                 /* how many the manifest lists */
    "  CHECK ((sequence IS NULL) = (digest IS NULL)),"
    "  UNIQUE (dataset, sequence),"
    "  PRIMARY KEY (dataset, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE retired (dataset TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (dataset, id))"
    "  STRICT, WITHOUT ROWID;"
    "CREATE TABLE tag ("
    "  dataset TEXT NOT NULL,"
    "  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 128"
    "       AND name NOT GLOB '*[^A-Za-z0-9._-]*' AND name GLOB '[A-Za-z0-9]*'),"
    "  version TEXT NOT NULL,"
    "  time INTEGER NOT NULL,"
    "  who TEXT NOT NULL,"
    "  PRIMARY KEY (dataset, name),"
    "  FOREIGN KEY (dataset, version) REFERENCES version (dataset, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE tag_event (" /* version '': deleted */
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  dataset TEXT NOT NULL,"
    "  name TEXT NOT NULL,"
    "  version TEXT NOT NULL,"
    "  before TEXT NOT NULL," /* '': there was none */
    "  time INTEGER NOT NULL,"
    "  who TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX tag_event_of_dataset ON tag_event (dataset, name, number);"
    "CREATE TABLE metadata (" /* version '': the dataset's own */
    "  dataset TEXT NOT NULL REFERENCES dataset (id),"
    "  version TEXT NOT NULL,"
    "  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 128),"
    "  value TEXT NOT NULL,"
    "  PRIMARY KEY (dataset, version, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE hold (" /* the image of a volume, snapshot or version */
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  image INTEGER NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  who TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX hold_of_image ON hold (image);"
    "DROP VIEW named_image;"
    "CREATE VIEW named_image (image) AS SELECT image FROM volume"
    "  UNION ALL SELECT image FROM snapshot"
    "  UNION ALL SELECT image FROM version"
    "  UNION ALL SELECT tree_image FROM version WHERE tree_image IS NOT NULL"
    "  UNION ALL SELECT manifest_image FROM version WHERE manifest_image IS NOT NULL;",

    /* 3: by what the copy of the catalog in the store is compared with the file: who it is, and how
       many changes it has seen; every transaction counts one (catalog_end_change). */
    "INSERT INTO property VALUES ('identity', lower(hex(randomblob(16)))), ('changes', '1');",

    /* 4: who wrote to an image last (catalog_leases.h). A row goes with the row that names it. */
    "CREATE TABLE lease ("
    "  image INTEGER PRIMARY KEY,"
    "  number INTEGER NOT NULL,"
    "  before INTEGER NOT NULL," /* the number when the lease came to this client from another */
    "  client TEXT NOT NULL"
    ") STRICT;"
    "CREATE TRIGGER lease_of_volume AFTER DELETE ON volume"
    "  BEGIN DELETE FROM lease WHERE image = OLD.image; END;"
    "CREATE TRIGGER lease_of_version AFTER DELETE ON version"
    "  BEGIN DELETE FROM lease WHERE image = OLD.image; END;",
};

enum { STEPS = sizeof steps / sizeof steps[0] };

int catalog_read_number_locked(struct catalog *catalog, const char *sql, int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_prepare_locked(catalog, sql, &statement);

    if (r == 0) {
        r = catalog_step_locked(catalog, statement);
        if (r == 1)
            *ret_number = sqlite3_column_int64(statement, 0);
    }
    catalog_finish(catalog, statement);
    return r < 0 ? r : 0;
}

bool catalog_application_is_ours(int64_t application)
{
    return application == APPLICATION_ID;
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
    return catalog_commit_locked(catalog, r);
}

int catalog_schema_upgrade_locked(struct catalog *catalog)
{
    int64_t application = 0, version = 0, tables = 0;
    int r = catalog_read_number_locked(catalog, "PRAGMA application_id", &application);

    if (r == 0)
        r = catalog_read_number_locked(catalog, "PRAGMA user_version", &version);
    if (r == 0)
        r = catalog_read_number_locked(catalog, "SELECT count(*) FROM sqlite_schema", &tables);
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
