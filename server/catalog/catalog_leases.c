#include "catalog/catalog_leases.h"

#include "catalog/catalog_connection.h"

int catalog_lease_grant(struct catalog *catalog, uint64_t image, const char *client)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_do_locked(catalog,
                          "INSERT INTO lease VALUES (?1, 1, 0, ?2) ON CONFLICT (image) "
                          "DO UPDATE SET before = iif(client = ?2, before, number),"
                          " number = number + 1, client = ?2",
                          "nt", (int64_t)image, client);
    return catalog_end_change(catalog, r);
}

int catalog_lease_seen(struct catalog *catalog, uint64_t image, const char *client,
                       int64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    int r;

    catalog_lock(catalog);
    r = catalog_query_locked(catalog, &statement,
                             "SELECT iif(client = ?2, before, number) FROM lease WHERE image = ?1",
                             "nt", (int64_t)image, client);
    if (r == 0)
        r = catalog_step_locked(catalog, statement);
    if (r == 1)
        number = sqlite3_column_int64(statement, 0);
    catalog_finish(catalog, statement);
    catalog_unlock(catalog);
    if (r >= 0)
        *ret_number = number;
    return r < 0 ? r : 0;
}
