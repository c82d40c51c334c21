#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

void catalog_lock(struct catalog *catalog)
{
    int r = pthread_mutex_lock(&catalog->lock);

    assert(r == 0);
}

void catalog_unlock(struct catalog *catalog)
{
    int r = pthread_mutex_unlock(&catalog->lock);

    assert(r == 0);
}

static int errno_of(struct catalog *catalog, int code)
{
    int system_errno = sqlite3_system_errno(catalog->db);

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (system_errno == ENOSPC || system_errno == EDQUOT)
            return ENOSPC;
        return system_errno == ENOMEM ? ENOMEM : EIO;
    default:
        return EIO;
    }
}

/* What to do about it; each completes the sentence with the cause before it. */
static const char *advice_for(int code)
{
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; move the file away (keep it) and open the store again: the names of volumes are "
               "then rebuilt from the store";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program has the file open: close it";
    case SQLITE_FULL:
        return "; free space on the file system that holds it";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return "; look at the permissions of the file and its directory, and whether its file "
               "system is mounted read-only";
    default:
        return "";
    }
}

int catalog_fail(struct catalog *catalog, int code, const char *doing)
{
    int errnum = errno_of(catalog, code);
    int system_errno = sqlite3_system_errno(catalog->db);
    bool io = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;

    catalog->trouble = code & 0xff;
    /* The page cache may drop what it could not write, and tell only once. */
    if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
        catalog->failed = true;
    return varve_fail(errnum, "cannot %s in catalog '%s': %s%s%s%s", doing, catalog->path,
                      sqlite3_errmsg(catalog->db), io && system_errno != 0 ? ": " : "",
                      io && system_errno != 0 ? strerror(system_errno) : "", advice_for(code));
}

int catalog_execute_locked(struct catalog *catalog, const char *sql)
{
    int code = sqlite3_exec(catalog->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : catalog_fail(catalog, code, sql);
}

/* --- kept statements ------------------------------------------------------------------------- */

/* What a pragma answers may be decided when it is prepared. */
static bool is_kept(const char *sql)
{
    return strncmp(sql, "PRAGMA", 6) != 0;
}

/* By the address of the text, which is nearly always a constant of ours; the text itself is only
 * compared with that of the one at hand. */
static struct kept_statement *find_kept(struct catalog *catalog, const char *sql)
{
    for (unsigned i = 0; i < CATALOG_KEPT_STATEMENTS; i++) {
        struct kept_statement *kept = &catalog->kept[i];

        if (kept->sql == sql && !kept->in_use && strcmp(sqlite3_sql(kept->statement), sql) == 0)
            return kept;
    }
    return NULL;
}

/* Takes the place of the one that was made first among those that nobody uses. */
static void keep(struct catalog *catalog, const char *sql, sqlite3_stmt *statement)
{
    for (unsigned i = 0; i < CATALOG_KEPT_STATEMENTS; i++) {
        const unsigned place = (catalog->next_kept + i) % CATALOG_KEPT_STATEMENTS;
        struct kept_statement *kept = &catalog->kept[place];

        if (kept->in_use)
            continue;
        sqlite3_finalize(kept->statement);
        *kept = (struct kept_statement){.sql = sql, .statement = statement, .in_use = true};
        catalog->next_kept = (place + 1) % CATALOG_KEPT_STATEMENTS;
        return;
    }
}

int catalog_prepare_locked(struct catalog *catalog, const char *sql, sqlite3_stmt **ret_statement)
{
    struct kept_statement *kept = find_kept(catalog, sql);
    int code;

    if (kept != NULL) {
        kept->in_use = true;
        *ret_statement = kept->statement;
        return 0;
    }
    code = sqlite3_prepare_v3(catalog->db, sql, -1, is_kept(sql) ? SQLITE_PREPARE_PERSISTENT : 0,
                              ret_statement, NULL);
    if (code != SQLITE_OK)
        return catalog_fail(catalog, code, "prepare a statement");
    if (is_kept(sql) && *ret_statement != NULL)
        keep(catalog, sql, *ret_statement);
    return 0;
}

void catalog_finish(struct catalog *catalog, sqlite3_stmt *statement)
{
    if (statement == NULL)
        return;
    for (unsigned i = 0; i < CATALOG_KEPT_STATEMENTS; i++) {
        struct kept_statement *kept = &catalog->kept[i];

        if (kept->statement == statement) {
            /* Says again what the last step said. */
            (void)sqlite3_reset(statement);
            (void)sqlite3_clear_bindings(statement);
            kept->in_use = false;
            return;
        }
    }
    sqlite3_finalize(statement);
}

void catalog_drop_statements(struct catalog *catalog)
{
    for (unsigned i = 0; i < CATALOG_KEPT_STATEMENTS; i++) {
        assert(!catalog->kept[i].in_use);
        sqlite3_finalize(catalog->kept[i].statement);
        catalog->kept[i] = (struct kept_statement){.sql = NULL};
    }
}

/* --- binding and stepping -------------------------------------------------------------------- */

static int bind_text(struct catalog *catalog, sqlite3_stmt *statement, int place, const char *text)
{
    int code = sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);

    return code == SQLITE_OK ? 0 : catalog_fail(catalog, code, "bind a text");
}

static int bind_number(struct catalog *catalog, sqlite3_stmt *statement, int place, int64_t number)
{
    int code = sqlite3_bind_int64(statement, place, number);

    return code == SQLITE_OK ? 0 : catalog_fail(catalog, code, "bind a number");
}

static int bind_values(struct catalog *catalog, sqlite3_stmt *statement, const char *kinds,
                       va_list values)
{
    int r = 0;

    for (int place = 1; r == 0 && kinds[place - 1] != '\0'; place++) {
        char value_kind = kinds[place - 1];

        assert(value_kind == 't' || value_kind == 'n' || value_kind == 'm');
        if (value_kind == 't') {
            r = bind_text(catalog, statement, place, va_arg(values, const char *));
        } else {
            int64_t number = va_arg(values, int64_t);

            /* A value that is not bound is NULL. */
            if (value_kind == 'n' || number != 0)
                r = bind_number(catalog, statement, place, number);
        }
    }
    return r;
}

static int query_values(struct catalog *catalog, sqlite3_stmt **ret_statement, const char *sql,
                        const char *kinds, va_list values)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_prepare_locked(catalog, sql, &statement);

    if (r == 0)
        r = bind_values(catalog, statement, kinds, values);
    if (r != 0) {
        catalog_finish(catalog, statement);
        statement = NULL;
    }
    *ret_statement = statement;
    return r;
}

int catalog_query_locked(struct catalog *catalog, sqlite3_stmt **ret_statement, const char *sql,
                         const char *kinds, ...)
{
    va_list values;
    int r;

    va_start(values, kinds);
    r = query_values(catalog, ret_statement, sql, kinds, values);
    va_end(values);
    return r;
}

int catalog_find(struct catalog *catalog, catalog_read_row read, void *ret_row, const char *sql,
                 const char *kinds, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list values;
    int r;

    catalog_lock(catalog);
    va_start(values, kinds);
    r = query_values(catalog, &statement, sql, kinds, values);
    va_end(values);
    r = catalog_read_first_locked(catalog, statement, r, read, ret_row);
    catalog_unlock(catalog);
    return r;
}

int catalog_step_locked(struct catalog *catalog, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY)
        return -EEXIST;
    return catalog_fail(catalog, code, sqlite3_stmt_readonly(statement) ? "read" : "change a row");
}

int catalog_do_locked(struct catalog *catalog, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list values;
    int r;

    va_start(values, kinds);
    r = query_values(catalog, &statement, sql, kinds, values);
    va_end(values);
    if (r == 0)
        r = catalog_step_locked(catalog, statement);
    catalog_finish(catalog, statement);
    return r;
}

int catalog_column_text(struct catalog *catalog, sqlite3_stmt *statement, int column, char *text,
                        size_t size)
{
    const unsigned char *value = sqlite3_column_text(statement, column);
    size_t length = (size_t)sqlite3_column_bytes(statement, column);

    if (value == NULL) {
        if (sqlite3_errcode(catalog->db) == SQLITE_NOMEM)
            return catalog_fail(catalog, SQLITE_NOMEM, "read a text");
        value = (const unsigned char *)"";
        length = 0;
    }
    if (length >= size)
        return varve_fail(EIO,
                          "catalog '%s' is damaged: a text of %zu bytes where at most %zu are "
                          "written%s",
                          catalog->path, length, size - 1, advice_for(SQLITE_CORRUPT));
    memcpy(text, value, length);
    text[length] = '\0';
    return 0;
}
