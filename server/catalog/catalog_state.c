#include "catalog/catalog_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

static int digit_of(unsigned char mark)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = mark == '\0' ? NULL : strchr(digits, mark);

    return at == NULL ? -1 : (int)(at - digits);
}

static bool parse_identity(const unsigned char *text, unsigned char *identity)
{
    for (size_t i = 0; i < CATALOG_IDENTITY_BYTES; i++) {
        int high = digit_of(text[2 * i]), low = high < 0 ? -1 : digit_of(text[2 * i + 1]);

        if (low < 0)
            return false;
        identity[i] = (unsigned char)(high << 4 | low);
    }
    return text[(size_t)2 * CATALOG_IDENTITY_BYTES] == '\0';
}

int catalog_read_state_locked(struct catalog *catalog, struct catalog_state *ret_state)
{
    struct catalog_state state = {.number = 0};
    sqlite3_stmt *statement = NULL;
    int64_t number = 0;
    bool good = false;
    int r = catalog_read_number_locked(
        catalog, "SELECT CAST(value AS INTEGER) FROM property WHERE key = 'changes'", &number);

    if (r == 0)
        r = catalog_prepare_locked(catalog, "SELECT value FROM property WHERE key = 'identity'",
                                   &statement);
    if (r == 0 && (r = catalog_step_locked(catalog, statement)) == 1) {
        const unsigned char *text = sqlite3_column_text(statement, 0);

        good = text != NULL && number > 0 && parse_identity(text, state.identity);
    }
    catalog_finish(catalog, statement);
    if (r < 0)
        return r;
    if (!good)
        return varve_fail(EIO, "catalog '%s' is damaged: it does not say which one it is",
                          catalog->path);
    state.number = (uint64_t)number;
    *ret_state = state;
    return 0;
}

void catalog_get_state(struct catalog *catalog, struct catalog_state *ret_state)
{
    catalog_lock(catalog);
    *ret_state = catalog->state;
    catalog_unlock(catalog);
}

int catalog_read_bytes(struct catalog *catalog, struct catalog_state *ret_state,
                       unsigned char **ret_bytes, size_t *ret_length)
{
    sqlite3_int64 size = 0;
    unsigned char *bytes;
    int r = 0;

    catalog_lock(catalog);
    bytes = sqlite3_serialize(catalog->db, "main", &size, 0);
    *ret_state = catalog->state;
    if (bytes == NULL || size <= 0)
        r = varve_fail(EIO, "cannot read catalog '%s' whole: %s", catalog->path,
                       sqlite3_errmsg(catalog->db));
    catalog_unlock(catalog);
    if (r != 0) {
        sqlite3_free(bytes);
        return r;
    }
    *ret_bytes = bytes;
    *ret_length = (size_t)size;
    return 0;
}

unsigned char *catalog_bytes_new(size_t length)
{
    return sqlite3_malloc64(length);
}

void catalog_bytes_free(unsigned char *bytes)
{
    sqlite3_free(bytes);
}

/* Whatever SQLite says of bytes in memory, short of memory, is damage. */
static int judge_bytes(struct catalog *catalog, struct catalog_verdict *verdict)
{
    int64_t application = 0, has_state = 0;
    int r = catalog_verify_locked(catalog, "PRAGMA integrity_check(1)", catalog_keep_problem,
                                  verdict->problem);

    if (r > 0)
        return 0;
    if (r == 0)
        r = catalog_read_number_locked(catalog, "PRAGMA application_id", &application);
    if (r == 0)
        r = catalog_read_number_locked(catalog, "SELECT user_version >= 3 FROM pragma_user_version",
                                       &has_state);
    if (r == 0 && !catalog_application_is_ours(application)) {
        snprintf(verdict->problem, sizeof verdict->problem,
                 "an SQLite database, but not a varve catalog");
        return 0;
    }
    if (r == 0 && has_state != 0)
        r = catalog_read_state_locked(catalog, &verdict->state);
    if (r == 0)
        verdict->soundness = CATALOG_SOUND;
    else if (r != -ENOMEM)
        snprintf(verdict->problem, sizeof verdict->problem, "%.127s", sqlite3_errmsg(catalog->db));
    return r == -ENOMEM ? r : 0;
}

static int judge_copy(const char *path, struct catalog_verdict *verdict)
{
    unsigned char *bytes = sqlite3_malloc64(verdict->length);
    struct catalog *catalog = NULL;
    int r;

    if (bytes == NULL)
        return varve_fail(ENOMEM, "no memory to look at catalog '%s'", path);
    memcpy(bytes, verdict->bytes, verdict->length);
    r = catalog_connect_bytes(path, bytes, (int64_t)verdict->length, &catalog);
    if (r == 0)
        r = judge_bytes(catalog, verdict);
    catalog_close(catalog);
    return r;
}

static bool is_proven(const struct catalog_verdict *verdict, const struct catalog_proven *proven)
{
    return proven != NULL && proven->bytes != NULL && verdict->length >= proven->length &&
           memcmp(verdict->bytes, proven->bytes, proven->length) == 0;
}

int catalog_judge(const char *path, const struct catalog_proven *proven,
                  struct catalog_verdict *ret_verdict)
{
    struct catalog_verdict verdict = {.soundness = CATALOG_DAMAGED};
    struct catalog_file image = {.bytes = NULL};
    int r = catalog_read_image(path, &image);

    verdict.bytes = image.bytes;
    verdict.length = (size_t)image.size;
    if (r == -ENOENT) {
        verdict.soundness = CATALOG_MISSING;
        r = 0;
    } else if (r == -EBADMSG) {
        snprintf(verdict.problem, sizeof verdict.problem, "its journal does not fit it");
        r = 0;
    } else if (r == 0 && image.size == 0) {
        snprintf(verdict.problem, sizeof verdict.problem, "the file is empty");
    } else if (r == 0 && is_proven(&verdict, proven)) {
        verdict.soundness = CATALOG_SOUND;
        verdict.state = proven->state;
    } else if (r == 0) {
        r = judge_copy(path, &verdict);
    }
    if (r != 0 || verdict.soundness != CATALOG_SOUND) {
        catalog_bytes_free(verdict.bytes);
        verdict.bytes = NULL;
        verdict.length = 0;
    }
    if (r == 0)
        *ret_verdict = verdict;
    return r;
}
