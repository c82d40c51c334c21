/* One change is one transaction; or, inside a group, one savepoint of the group's transaction. */
#include <assert.h>
#include <errno.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"
#include "catalog/catalog_group.h"

static int begin_locked(struct catalog *catalog, const char *sql)
{
    int code;

    if (catalog->failed)
        return varve_fail(
            EIO,
            "catalog '%s' takes no changes, because writing to it failed; look at the "
            "disk, then stop and start the server",
            catalog->path);
    catalog->trouble = 0;
    code = sqlite3_exec(catalog->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : catalog_fail(catalog, code, "begin a change");
}

/* Whether a change is undone by rolling it back. After an I/O error or on a full disk SQLite keeps
 * in mind that a rollback failed, and begins with it when the file is used next. After others it
 * does not: what it shows from then on may be half a change. */
static bool is_undone_after(int trouble)
{
    return trouble == 0 || trouble == SQLITE_IOERR || trouble == SQLITE_FULL ||
           trouble == SQLITE_BUSY || trouble == SQLITE_CONSTRAINT;
}

/* Some errors make SQLite roll the whole transaction back: then the group has failed. */
static int check_group_locked(const struct catalog *catalog)
{
    if (!sqlite3_get_autocommit(catalog->db))
        return 0;
    return varve_fail(EIO, "catalog '%s' has lost the changes before this one", catalog->path);
}

int catalog_begin_locked(struct catalog *catalog)
{
    int r;

    if (!catalog->grouped)
        return begin_locked(catalog, "BEGIN IMMEDIATE");
    r = check_group_locked(catalog);
    return r == 0 ? begin_locked(catalog, "SAVEPOINT change") : r;
}

/* Rolls back what `result` says has failed, or commits. */
static int close_locked(struct catalog *catalog, int result, const char *commit,
                        const char *rollback)
{
    int code;

    if (result == 0) {
        code = sqlite3_exec(catalog->db, commit, NULL, NULL, NULL);
        if (code == SQLITE_OK)
            return 0;
        result = catalog_fail(catalog, code, "commit a change");
        /* What failed may have been the last write, which makes the change count. */
        catalog->failed |= catalog->trouble == SQLITE_IOERR;
    }
    catalog->failed |= !is_undone_after(catalog->trouble);
    /* SQLite has rolled back by itself after some errors. A rollback that fails leaves its journal
     * in place, which the next use of the file rolls back. */
    if (!sqlite3_get_autocommit(catalog->db) &&
        sqlite3_exec(catalog->db, rollback, NULL, NULL, NULL) != SQLITE_OK)
        catalog->failed = true;
    return result;
}

int catalog_commit_locked(struct catalog *catalog, int result)
{
    return catalog->grouped ? close_locked(catalog, result, "RELEASE change",
                                           "ROLLBACK TO change; RELEASE change")
                            : close_locked(catalog, result, "COMMIT", "ROLLBACK");
}

int catalog_begin_change(struct catalog *catalog)
{
    int r;

    catalog_lock(catalog);
    r = catalog_begin_locked(catalog);
    if (r != 0)
        catalog_unlock(catalog);
    return r;
}

int catalog_end_change(struct catalog *catalog, int result)
{
    if (result == 0)
        result = catalog_do_locked(
            catalog, "UPDATE property SET value = CAST(?1 AS TEXT) WHERE key = 'changes'", "n",
            (int64_t)catalog->state.number + 1);
    result = catalog_commit_locked(catalog, result);
    if (result == 0)
        catalog->state.number++;
    catalog_unlock(catalog);
    return result;
}

bool catalog_is_in_doubt(struct catalog *catalog)
{
    bool failed;

    catalog_lock(catalog);
    failed = catalog->failed;
    catalog_unlock(catalog);
    return failed;
}

/* --- groups ---------------------------------------------------------------------------------- */

int catalog_group_begin(struct catalog *catalog)
{
    int r;

    catalog_lock(catalog);
    assert(!catalog->grouped);
    r = catalog_begin_locked(catalog);
    catalog->grouped = r == 0;
    catalog->before_group = catalog->state.number;
    catalog_unlock(catalog);
    return r;
}

int catalog_group_end(struct catalog *catalog, int result)
{
    catalog_lock(catalog);
    assert(catalog->grouped);
    if (result == 0)
        result = check_group_locked(catalog);
    catalog->grouped = false;
    result = catalog_commit_locked(catalog, result);
    if (result != 0)
        catalog->state.number = catalog->before_group;
    catalog_unlock(catalog);
    return result;
}
