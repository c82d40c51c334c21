#include "catalog/catalog_schedules.h"

#include <errno.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

static const char kind[] = "volume";

static int upsert_row(struct catalog *catalog, const struct catalog_schedule *schedule)
{
    return catalog_do_locked(catalog,
                             "INSERT INTO schedule (volume, every, keep, last) "
                             "VALUES (?1, ?2, ?3, 0) "
                             "ON CONFLICT (volume, every) DO UPDATE SET keep = ?3",
                             "tnn", schedule->volume, schedule->every, schedule->keep);
}

int catalog_schedule_set(struct catalog *catalog, const struct catalog_schedule *schedule,
                         const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = upsert_row(catalog, schedule);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, schedule->volume, change);
    return catalog_end_change(catalog, r);
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_schedule)
{
    struct catalog_schedule row = {.every = sqlite3_column_int64(statement, 1),
                                   .keep = sqlite3_column_int64(statement, 2),
                                   .last = sqlite3_column_int64(statement, 3)};
    int r = catalog_column_text(catalog, statement, 0, row.volume, sizeof row.volume);

    if (r == 0)
        *(struct catalog_schedule *)ret_schedule = row;
    return r;
}

int catalog_schedule_next(struct catalog *catalog, const char *volume, int64_t every,
                          struct catalog_schedule *ret_schedule)
{
    return catalog_find(catalog, read_row, ret_schedule,
                        "SELECT volume, every, keep, last FROM schedule "
                        "WHERE (volume, every) > (?1, ?2) ORDER BY volume, every LIMIT 1",
                        "tn", volume, every);
}

static int delete_rows(struct catalog *catalog, const char *volume, int64_t every,
                       unsigned *ret_count)
{
    int r = catalog_do_locked(catalog,
                              "DELETE FROM schedule WHERE volume = ?1 AND (?2 = 0 OR every = ?2)",
                              "tn", volume, every);

    *ret_count = (unsigned)sqlite3_changes(catalog->db);
    return r;
}

int catalog_schedule_delete(struct catalog *catalog, const char *volume, int64_t every,
                            const struct catalog_change *change, unsigned *ret_count)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = delete_rows(catalog, volume, every, ret_count);
    if (r == 0 && *ret_count > 0)
        r = catalog_history_insert_locked(catalog, kind, volume, change);
    return catalog_end_change(catalog, r);
}
