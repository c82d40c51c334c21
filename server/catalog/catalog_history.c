#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "catalog/catalog_connection.h"

/* Cut to what a reader takes back, at the border of a character. */
static void copy_cut(char *to, size_t size, const char *text)
{
    size_t length = strnlen(text, size - 1);

    if (text[length] != '\0')
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    memcpy(to, text, length);
    to[length] = '\0';
}

int catalog_history_insert_locked(struct catalog *catalog, const char *kind, const char *object,
                                  const struct catalog_change *change)
{
    char who[CATALOG_WHO_MAX + 1], what[CATALOG_WHAT_MAX + 1];

    copy_cut(who, sizeof who, change->who);
    copy_cut(what, sizeof what, change->what);
    return catalog_do_locked(catalog,
                             "INSERT INTO history (time, who, kind, object, what) "
                             "VALUES (?1, ?2, ?3, ?4, ?5)",
                             "ntttt", (int64_t)time(NULL), who, kind, object, what);
}

int catalog_history_append(struct catalog *catalog, const char *kind, const char *object,
                           const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    return catalog_end_change(catalog,
                              catalog_history_insert_locked(catalog, kind, object, change));
}

static int read_event(struct catalog *catalog, sqlite3_stmt *statement, void *ret_event)
{
    struct catalog_event event = {.number = sqlite3_column_int64(statement, 0),
                                  .time = sqlite3_column_int64(statement, 1)};
    int r = catalog_column_text(catalog, statement, 2, event.who, sizeof event.who);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 3, event.kind, sizeof event.kind);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 4, event.object, sizeof event.object);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 5, event.what, sizeof event.what);
    if (r == 0)
        *(struct catalog_event *)ret_event = event;
    return r;
}

int catalog_history_next(struct catalog *catalog, int64_t after, struct catalog_event *ret_event)
{
    return catalog_find(catalog, read_event, ret_event,
                        "SELECT number, time, who, kind, object, what FROM history "
                        "WHERE number > ?1 ORDER BY number LIMIT 1",
                        "n", after);
}

int catalog_history_before(struct catalog *catalog, int64_t before, const char *object,
                           const char *kind, struct catalog_event *ret_event)
{
    return catalog_find(catalog, read_event, ret_event,
                        "SELECT number, time, who, kind, object, what FROM history "
                        "WHERE number < ?1 AND (?3 = '' OR kind = ?3) AND (?2 = '' "
                        "OR object = ?2 "
                        "OR substr(object, 1, length(?2) + 1) IN (?2 || '@', ?2 || ':')) "
                        "ORDER BY number DESC LIMIT 1",
                        "ntt", before, object, kind);
}
