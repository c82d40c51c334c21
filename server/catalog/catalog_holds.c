#include "catalog/catalog_holds.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

#define COLUMNS "number, image, reason, created, who"

int catalog_hold_insert_locked(struct catalog *catalog, uint64_t image, const char *reason,
                               const char *who)
{
    return catalog_do_locked(catalog,
                             "INSERT INTO hold (image, reason, created, who) "
                             "VALUES (?1, ?2, ?3, ?4)",
                             "ntnt", (int64_t)image, reason, (int64_t)time(NULL), who);
}

int catalog_hold_insert(struct catalog *catalog, uint64_t image, const char *reason,
                        const char *kind, const char *object, const struct catalog_change *change,
                        int64_t *ret_number)
{
    int64_t number = 0;
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_hold_insert_locked(catalog, image, reason, change->who);
    number = sqlite3_last_insert_rowid(catalog->db);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    r = catalog_end_change(catalog, r);
    if (r == 0)
        *ret_number = number;
    return r;
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_hold)
{
    struct catalog_hold row = {.number = sqlite3_column_int64(statement, 0),
                               .image = (uint64_t)sqlite3_column_int64(statement, 1),
                               .created = sqlite3_column_int64(statement, 3)};
    int r = catalog_column_text(catalog, statement, 2, row.reason, sizeof row.reason);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 4, row.who, sizeof row.who);
    if (r == 0)
        *(struct catalog_hold *)ret_hold = row;
    return r;
}

static int no_such_hold(int64_t number)
{
    return varve_fail(
        ENOENT, "there is no hold %" PRId64 "; 'varve holds list' shows what there is", number);
}

int catalog_hold_find(struct catalog *catalog, int64_t number, struct catalog_hold *ret_hold)
{
    int r = catalog_find(catalog, read_row, ret_hold,
                         "SELECT " COLUMNS " FROM hold WHERE number = ?1", "n", number);

    return r == -ENOENT ? no_such_hold(number) : r;
}

int catalog_hold_next(struct catalog *catalog, int64_t after, uint64_t image,
                      struct catalog_hold *ret_hold)
{
    return image == 0
               ? catalog_find(catalog, read_row, ret_hold,
                              "SELECT " COLUMNS " FROM hold WHERE number > ?1 "
                              "ORDER BY number LIMIT 1",
                              "n", after)
               : catalog_find(catalog, read_row, ret_hold,
                              "SELECT " COLUMNS " FROM hold WHERE number > ?1 AND image = ?2 "
                              "ORDER BY number LIMIT 1",
                              "nn", after, (int64_t)image);
}

int catalog_hold_delete(struct catalog *catalog, int64_t number, const char *kind,
                        const char *object, const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_do_locked(catalog, "DELETE FROM hold WHERE number = ?1", "n", number);
    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        r = no_such_hold(number);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    return catalog_end_change(catalog, r);
}
