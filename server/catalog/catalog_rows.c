/* Rows of a statement: the first, or all. */
#include <errno.h>
#include <stdlib.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

int catalog_read_first_locked(struct catalog *catalog, sqlite3_stmt *statement, int r,
                              catalog_read_row read, void *ret_row)
{
    if (r == 0)
        r = catalog_step_locked(catalog, statement);
    if (r == 1)
        r = read(catalog, statement, ret_row);
    else if (r == 0)
        r = -ENOENT;
    catalog_finish(catalog, statement);
    return r;
}

struct list {
    unsigned char *rows;
    size_t size, count, room;
};

static int make_room(struct list *list)
{
    size_t more = list->room == 0 ? 64 : list->room * 2;
    unsigned char *grown =
        list->count < list->room ? list->rows : reallocarray(list->rows, more, list->size);

    if (grown == NULL)
        return varve_fail(ENOMEM, "no memory for a list of %zu names", more);
    list->room = list->count < list->room ? list->room : more;
    list->rows = grown;
    return 0;
}

int catalog_read_all_locked(struct catalog *catalog, sqlite3_stmt *statement, int r,
                            catalog_read_row read, size_t size, void **ret_rows, size_t *ret_count)
{
    struct list list = {.size = size};

    while (r == 0 && (r = catalog_step_locked(catalog, statement)) == 1) {
        r = make_room(&list);
        if (r == 0)
            r = read(catalog, statement, list.rows + list.count++ * size);
    }
    catalog_finish(catalog, statement);
    if (r != 0) {
        free(list.rows);
        return r;
    }
    *ret_rows = list.rows;
    *ret_count = list.count;
    return 0;
}
