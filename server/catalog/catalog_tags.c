#include "catalog/catalog_tags.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

int catalog_tag_check(const char *name)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);

    if (strcmp(name, "latest") == 0)
        return varve_fail(EINVAL, "'latest' is no tag: it always names the newest committed "
                                  "version; choose another name");
    if (catalog_is_version_id(name))
        return varve_fail(EINVAL,
                          "'%s' has the form of a version's id and cannot be a tag; choose another "
                          "name",
                          name);
    if (length == 0 || length > CATALOG_TAG_MAX || strspn(name, legal) != length ||
        strchr("._-", name[0]) != NULL || strstr(name, "..") != NULL)
        return varve_fail(EINVAL,
                          "'%.*s' is not a tag: take 1 to %d letters, digits, '.', '_' and '-', "
                          "with a letter or digit first and no two dots in a row",
                          (int)CATALOG_TAG_MAX, name, (int)CATALOG_TAG_MAX);
    return 0;
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_tag)
{
    struct catalog_tag row = {.time = sqlite3_column_int64(statement, 2)};
    int r = catalog_column_text(catalog, statement, 0, row.name, sizeof row.name);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 1, row.version, sizeof row.version);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 3, row.who, sizeof row.who);
    if (r == 0)
        *(struct catalog_tag *)ret_tag = row;
    return r;
}

/* One row by a statement with two texts; -ENOENT, with no line, when there is none. */
static int find_locked(struct catalog *catalog, const char *sql, const char *dataset,
                       const char *name, struct catalog_tag *ret_tag)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(catalog, &statement, sql, "tt", dataset, name);

    r = catalog_read_first_locked(catalog, statement, r, read_row, ret_tag);
    return r;
}

static const char by_name[] =
    "SELECT name, version, time, who FROM tag WHERE dataset = ?1 AND name = ?2";

int catalog_tag_find(struct catalog *catalog, const char *dataset, const char *name,
                     struct catalog_tag *ret_tag)
{
    int r;

    catalog_lock(catalog);
    r = find_locked(catalog, by_name, dataset, name, ret_tag);
    catalog_unlock(catalog);
    return r == -ENOENT ? varve_fail(ENOENT, "dataset '%s' has no tag '%s'", dataset, name) : r;
}

int catalog_tag_next(struct catalog *catalog, const char *dataset, const char *after,
                     struct catalog_tag *ret_tag)
{
    int r;

    catalog_lock(catalog);
    r = find_locked(catalog,
                    "SELECT name, version, time, who FROM tag WHERE dataset = ?1 AND name > ?2 "
                    "ORDER BY name LIMIT 1",
                    dataset, after, ret_tag);
    catalog_unlock(catalog);
    return r;
}

/* --- moving ---------------------------------------------------------------------------------- */

static int check_expectation(const struct catalog_tag_move *move, const char *now)
{
    if (move->expect == NULL || strcmp(move->expect, now) == 0)
        return 0;
    if (now[0] == '\0')
        return varve_fail(ESTALE, "tag '%s' does not exist, and was expected at version '%s'",
                          move->name, move->expect);
    if (move->expect[0] == '\0')
        return varve_fail(ESTALE, "tag '%s' was expected not to exist, and points at version '%s'",
                          move->name, now);
    return varve_fail(ESTALE,
                      "tag '%s' points at version '%s' and not at '%s', as was expected: somebody "
                      "moved it; look again and decide anew",
                      move->name, now, move->expect);
}

static int point_locked(struct catalog *catalog, const struct catalog_tag_move *move,
                        const char *who)
{
    static const char set[] =
        "INSERT INTO tag (dataset, name, version, time, who) VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (dataset, name) DO UPDATE SET version = ?3, time = ?4, who = ?5";
    static const char unset[] = "DELETE FROM tag WHERE dataset = ?1 AND name = ?2";

    return move->version[0] != '\0'
               ? catalog_do_locked(catalog, set, "tttnt", move->dataset->id, move->name,
                                   move->version, (int64_t)time(NULL), who)
               : catalog_do_locked(catalog, unset, "tt", move->dataset->id, move->name);
}

static int book_locked(struct catalog *catalog, const struct catalog_tag_move *move,
                       const char *before, const char *who)
{
    char object[2 * CATALOG_NAME_MAX + CATALOG_TAG_MAX + 3], what[64];
    const struct catalog_change change = {who, what};
    char name[2 * CATALOG_NAME_MAX + 2];
    int r = catalog_do_locked(catalog,
                              "INSERT INTO tag_event (dataset, name, version, before, time, "
                              "who) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                              "ttttnt", move->dataset->id, move->name, move->version, before,
                              (int64_t)time(NULL), who);

    if (r != 0)
        return r;
    catalog_dataset_full_name(move->dataset, name);
    snprintf(object, sizeof object, "%s:%s", name, move->name);
    if (move->version[0] == '\0')
        snprintf(what, sizeof what, "deleted; it pointed at version %s", before);
    else if (before[0] == '\0')
        snprintf(what, sizeof what, "set to version %s", move->version);
    else
        snprintf(what, sizeof what, "moved from version %s to %s", before, move->version);
    return catalog_history_insert_locked(catalog, "tag", object, &change);
}

static int move_locked(struct catalog *catalog, const struct catalog_tag_move *move,
                       const char *who)
{
    struct catalog_tag now = {.name = ""};
    int r = find_locked(catalog, by_name, move->dataset->id, move->name, &now);
    bool there = r == 0;

    if (r != 0 && r != -ENOENT)
        return r;
    r = check_expectation(move, now.version);
    if (r != 0 || (there && strcmp(now.version, move->version) == 0))
        return r;
    if (!there && move->version[0] == '\0')
        return varve_fail(ENOENT, "there is no tag '%s' to delete", move->name);
    r = point_locked(catalog, move, who);
    return r == 0 ? book_locked(catalog, move, now.version, who) : r;
}

int catalog_tag_move(struct catalog *catalog, const struct catalog_tag_move *move, const char *who)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = move_locked(catalog, move, who);
    return catalog_end_change(catalog, r);
}

/* --- history --------------------------------------------------------------------------------- */

static int read_event(struct catalog *catalog, sqlite3_stmt *statement, void *ret_event)
{
    struct catalog_tag_event row = {.number = sqlite3_column_int64(statement, 0),
                                    .time = sqlite3_column_int64(statement, 1)};
    int r = catalog_column_text(catalog, statement, 2, row.who, sizeof row.who);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 3, row.name, sizeof row.name);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 4, row.version, sizeof row.version);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 5, row.before, sizeof row.before);
    if (r == 0)
        *(struct catalog_tag_event *)ret_event = row;
    return r;
}

int catalog_tag_event_next(struct catalog *catalog, const char *dataset, const char *name,
                           int64_t after, struct catalog_tag_event *ret_event)
{
    return catalog_find(catalog, read_event, ret_event,
                        "SELECT number, time, who, name, version, before FROM tag_event "
                        "WHERE dataset = ?1 AND (?2 = '' OR name = ?2) AND number > ?3 "
                        "ORDER BY number LIMIT 1",
                        "ttn", dataset, name, after);
}
