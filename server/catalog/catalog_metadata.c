#include "catalog/catalog_metadata.h"

#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"
#include "catalog/catalog_settings.h"

int catalog_metadata_check(const char *key, const char *value)
{
    static const char legal[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/:-";
    size_t length = strlen(key);

    if (length == 0 || length > CATALOG_KEY_MAX || strspn(key, legal) != length)
        return varve_fail(EINVAL,
                          "'%.*s' is not a key: take 1 to %d letters, digits, '.', '_', '/', ':' "
                          "and '-'",
                          (int)CATALOG_KEY_MAX, key, (int)CATALOG_KEY_MAX);
    if (value != NULL && strlen(value) > CATALOG_VALUE_MAX)
        return varve_fail(EINVAL, "the value of '%s' has %zu bytes; at most %d are kept", key,
                          strlen(value), (int)CATALOG_VALUE_MAX);
    return 0;
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_metadata)
{
    struct catalog_metadata row;
    int r = catalog_column_text(catalog, statement, 0, row.key, sizeof row.key);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 1, row.value, sizeof row.value);
    if (r == 0)
        *(struct catalog_metadata *)ret_metadata = row;
    return r;
}

int catalog_metadata_next(struct catalog *catalog, const char *dataset, const char *version,
                          const char *after, struct catalog_metadata *ret_metadata)
{
    return catalog_find(catalog, read_row, ret_metadata,
                        "SELECT key, value FROM metadata WHERE dataset = ?1 AND version = ?2 "
                        "AND key > ?3 ORDER BY key LIMIT 1",
                        "ttt", dataset, version, after);
}

static int apply_one_locked(struct catalog *catalog, const char *dataset, const char *version,
                            const struct catalog_setting *setting)
{
    static const char set[] = "INSERT INTO metadata (dataset, version, key, value) "
                              "VALUES (?1, ?2, ?3, ?4) "
                              "ON CONFLICT (dataset, version, key) DO UPDATE SET value = ?4";
    static const char unset[] =
        "DELETE FROM metadata WHERE dataset = ?1 AND version = ?2 AND key = ?3";
    int r = setting->value != NULL
                ? catalog_do_locked(catalog, set, "tttt", dataset, version, setting->key,
                                    setting->value)
                : catalog_do_locked(catalog, unset, "ttt", dataset, version, setting->key);

    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        r = varve_fail(ENOENT, "there is no key '%s' to unset", setting->key);
    return r;
}

int catalog_settings_apply_locked(struct catalog *catalog, const char *dataset, const char *version,
                                  const struct catalog_setting *settings, size_t count)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = apply_one_locked(catalog, dataset, version, &settings[i]);
    return r;
}
