#include "catalog/catalog_versions.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"
#include "catalog/catalog_settings.h"

static const char kind[] = "version";

_Static_assert(2 * CATALOG_NAME_MAX + 2 + CATALOG_VERSION_ID + 1 <= CATALOG_REF_MAX + 1,
               "the longest names fit into a ref");

#define COLUMNS                                                                                    \
    "v.dataset, v.id, d.team, d.name, v.image, v.created, v.who, v.message, v.parent, "            \
    "ifnull(v.sequence, 0), ifnull(v.committed, 0), ifnull(v.committer, ''), "                     \
    "ifnull(v.digest, ''), ifnull(v.class, ''), ifnull(v.tree_image, 0), "                         \
    "ifnull(v.manifest_image, 0), ifnull(v.files, 0), "                                            \
    "(SELECT count(*) FROM hold h WHERE h.image = v.image)"
#define SELECT_VERSION "SELECT " COLUMNS " FROM version v JOIN dataset d ON d.id = v.dataset "

bool catalog_is_version_id(const char *text)
{
    return strlen(text) == CATALOG_VERSION_ID && text[0] >= '0' && text[0] <= '9' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == CATALOG_VERSION_ID;
}

static int read_texts(struct catalog *catalog, sqlite3_stmt *statement, struct catalog_version *row)
{
    struct catalog_dataset dataset = {.id = ""};
    char name[2 * CATALOG_NAME_MAX + 2];
    const struct {
        int column;
        char *text;
        size_t size;
    } texts[] = {
        {0, row->dataset, sizeof row->dataset}, {1, row->id, sizeof row->id},
        {2, dataset.team, sizeof dataset.team}, {3, dataset.name, sizeof dataset.name},
        {6, row->who, sizeof row->who},         {7, row->message, sizeof row->message},
        {8, row->parent, sizeof row->parent},   {11, row->committer, sizeof row->committer},
        {12, row->digest, sizeof row->digest},  {13, row->class, sizeof row->class},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof texts / sizeof texts[0]; i++)
        r = catalog_column_text(catalog, statement, texts[i].column, texts[i].text, texts[i].size);
    if (r != 0)
        return r;
    catalog_dataset_full_name(&dataset, name);
    snprintf(row->ref, sizeof row->ref, "%s:%s", name, row->id);
    return 0;
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_version)
{
    struct catalog_version row = {
        .image = (uint64_t)sqlite3_column_int64(statement, 4),
        .created = sqlite3_column_int64(statement, 5),
        .sequence = sqlite3_column_int64(statement, 9),
        .committed = sqlite3_column_int64(statement, 10),
        .tree_image = (uint64_t)sqlite3_column_int64(statement, 14),
        .manifest_image = (uint64_t)sqlite3_column_int64(statement, 15),
        .files = (uint64_t)sqlite3_column_int64(statement, 16),
        .holds = (unsigned)sqlite3_column_int64(statement, 17),
    };
    int r = read_texts(catalog, statement, &row);

    if (r == 0)
        *(struct catalog_version *)ret_version = row;
    return r;
}

int catalog_version_find(struct catalog *catalog, const char *dataset, const char *id,
                         struct catalog_version *ret_version)
{
    int r = catalog_find(catalog, read_row, ret_version,
                         SELECT_VERSION "WHERE v.dataset = ?1 AND v.id = ?2", "tt", dataset, id);

    return r == -ENOENT ? varve_fail(ENOENT, "dataset '%s' has no version '%s'", dataset, id) : r;
}

int catalog_version_of_image(struct catalog *catalog, uint64_t image,
                             struct catalog_version *ret_version)
{
    return catalog_find(catalog, read_row, ret_version, SELECT_VERSION "WHERE v.image = ?1", "n",
                        (int64_t)image);
}

int catalog_version_next(struct catalog *catalog, const char *after_dataset, const char *after_id,
                         struct catalog_version *ret_version)
{
    return catalog_find(catalog, read_row, ret_version,
                        SELECT_VERSION "WHERE (v.dataset, v.id) > (?1, ?2) "
                                       "ORDER BY v.dataset, v.id LIMIT 1",
                        "tt", after_dataset, after_id);
}

/* --- refs ------------------------------------------------------------------------------------ */

/* The number behind a '~'. */
static int parse_back(const char *which, int64_t *ret_back)
{
    enum { DIGITS_MAX = 9 };
    size_t digits = strspn(which + 1, "0123456789");
    int64_t back = 0;

    if (digits == 0 || digits > DIGITS_MAX || which[1 + digits] != '\0')
        return varve_fail(EINVAL,
                          "'%s' does not count versions back: ~1 is the one before the "
                          "latest, ~2 the one before that",
                          which);
    for (size_t i = 1; i <= digits; i++)
        back = back * 10 + (which[i] - '0');
    *ret_back = back;
    return 0;
}

static int resolve_back_locked(struct catalog *catalog, const char *dataset, const char *which,
                               struct catalog_version *ret_version)
{
    sqlite3_stmt *statement = NULL;
    int64_t back = 0;
    int r = which[0] == '~' ? parse_back(which, &back) : 0;

    if (r != 0)
        return r;
    r = catalog_query_locked(catalog, &statement,
                             SELECT_VERSION "WHERE v.dataset = ?1 AND v.sequence IS NOT NULL "
                                            "ORDER BY v.sequence DESC LIMIT 1 OFFSET ?2",
                             "tn", dataset, back);
    return catalog_read_first_locked(catalog, statement, r, read_row, ret_version);
}

static int resolve_name_locked(struct catalog *catalog, const char *dataset, const char *which,
                               struct catalog_version *ret_version)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(catalog, &statement,
                                 catalog_is_version_id(which) ? SELECT_VERSION
                                     "WHERE v.dataset = ?1 AND v.id = ?2"
                                                              : SELECT_VERSION
                                     "JOIN tag t ON t.dataset = v.dataset AND t.version = v.id "
                                     "WHERE t.dataset = ?1 AND t.name = ?2",
                                 "tt", dataset, which);

    return catalog_read_first_locked(catalog, statement, r, read_row, ret_version);
}

static int nothing_there(const struct catalog_dataset *dataset, const char *which, bool counted)
{
    char name[2 * CATALOG_NAME_MAX + 2];

    catalog_dataset_full_name(dataset, name);
    if (counted && dataset->last_sequence == 0)
        return varve_fail(ENOENT,
                          "dataset '%s' has no committed version yet; 'varve datasets versions "
                          "list --all %s' shows what it has",
                          name, name);
    return varve_fail(ENOENT,
                      "dataset '%s' has no version%s '%s'; 'varve datasets versions list --all %s' "
                      "shows what it has",
                      name, counted || catalog_is_version_id(which) ? "" : " or tag",
                      which[0] != '\0' ? which : "latest", name);
}

int catalog_version_resolve(struct catalog *catalog, const char *team, const char *name_or_id,
                            const char *which, struct catalog_version *ret_version)
{
    bool counted = which[0] == '\0' || which[0] == '~' || strcmp(which, "latest") == 0;
    struct catalog_dataset dataset;
    int r = catalog_dataset_find(catalog, team, name_or_id, &dataset);

    if (r != 0)
        return r;
    catalog_lock(catalog);
    r = counted ? resolve_back_locked(catalog, dataset.id, which, ret_version)
                : resolve_name_locked(catalog, dataset.id, which, ret_version);
    catalog_unlock(catalog);
    return r == -ENOENT ? nothing_there(&dataset, which[0] != '\0' ? which : "latest", counted) : r;
}

/* --- changes --------------------------------------------------------------------------------- */

static int id_is_used_locked(struct catalog *catalog, const char *dataset, const char *id)
{
    return catalog_do_locked(catalog,
                             "SELECT 1 FROM version WHERE dataset = ?1 AND id = ?2 UNION ALL "
                             "SELECT 1 FROM retired WHERE dataset = ?1 AND id = ?2",
                             "tt", dataset, id);
}

int catalog_version_id_is_used(struct catalog *catalog, const char *dataset, const char *id,
                               bool *ret_used)
{
    int r;

    catalog_lock(catalog);
    r = id_is_used_locked(catalog, dataset, id);
    catalog_unlock(catalog);
    if (r < 0)
        return r;
    *ret_used = r == 1;
    return 0;
}

/* The ref in full, for the history: the row's own. */
static int read_ref_locked(struct catalog *catalog, const char *dataset, const char *id,
                           char ret_ref[CATALOG_REF_MAX + 1])
{
    struct catalog_version row;
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(catalog, &statement,
                                 SELECT_VERSION "WHERE v.dataset = ?1 AND v.id = ?2", "tt", dataset,
                                 id);

    r = catalog_read_first_locked(catalog, statement, r, read_row, &row);
    if (r == 0)
        memcpy(ret_ref, row.ref, sizeof row.ref);
    return r == -ENOENT ? varve_fail(ENOENT, "dataset '%s' has no version '%s'", dataset, id) : r;
}

/* Books a change of a version that is there, whatever it is. */
static int book_locked(struct catalog *catalog, const char *dataset, const char *id,
                       const struct catalog_change *change)
{
    char ref[CATALOG_REF_MAX + 1];
    int r = read_ref_locked(catalog, dataset, id, ref);

    return r == 0 ? catalog_history_insert_locked(catalog, kind, ref, change) : r;
}

static int insert_row_locked(struct catalog *catalog, const struct catalog_version *version)
{
    int r = id_is_used_locked(catalog, version->dataset, version->id);

    if (r != 0)
        return r == 1 ? -EEXIST : r;
    return catalog_do_locked(catalog,
                             "INSERT INTO version (dataset, id, image, created, who, message, "
                             "parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                             "ttnnttt", version->dataset, version->id, (int64_t)version->image,
                             version->created, version->who, version->message, version->parent);
}

static int insert_hold_locked(struct catalog *catalog, const struct catalog_version *version,
                              const char *reason, const char *who)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {who, what};
    int r = catalog_hold_insert_locked(catalog, version->image, reason, who);

    snprintf(what, sizeof what, "held: %s", reason);
    return r == 0 ? book_locked(catalog, version->dataset, version->id, &change) : r;
}

int catalog_version_insert(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_belongings *belongings,
                           const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = insert_row_locked(catalog, version);
    if (r == 0)
        r = catalog_settings_apply_locked(catalog, version->dataset, version->id,
                                          belongings->settings, belongings->setting_count);
    if (r == 0)
        r = book_locked(catalog, version->dataset, version->id, change);
    if (r == 0 && belongings->hold != NULL)
        r = insert_hold_locked(catalog, version, belongings->hold, change->who);
    r = catalog_end_change(catalog, r);
    if (r == -EEXIST)
        return varve_fail(EEXIST,
                          "dataset '%s' has, or had, a version '%s' (or image %llu has another "
                          "name)",
                          version->dataset, version->id, (unsigned long long)version->image);
    return r;
}

static int commit_row_locked(struct catalog *catalog, const struct catalog_version *version)
{
    int r = catalog_do_locked(catalog,
                              "UPDATE dataset SET last_sequence = last_sequence + 1 "
                              "WHERE id = ?1",
                              "t", version->dataset);

    if (r == 0)
        r = catalog_do_locked(
            catalog,
            "UPDATE version SET sequence = (SELECT last_sequence FROM dataset WHERE id = ?1), "
            "committed = ?3, committer = ?4, digest = ?5, class = ?6, tree_image = ?7, "
            "manifest_image = ?8, files = ?9 "
            "WHERE dataset = ?1 AND id = ?2 AND sequence IS NULL",
            "ttntttmmm", version->dataset, version->id, version->committed, version->committer,
            version->digest, version->class, (int64_t)version->tree_image,
            (int64_t)version->manifest_image,
            version->manifest_image != 0 ? (int64_t)version->files : 0);
    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        r = varve_fail(EEXIST, "version '%s' is committed already, or gone", version->ref);
    return r;
}

static int read_sequence_locked(struct catalog *catalog, const struct catalog_version *version,
                                int64_t *ret_sequence)
{
    sqlite3_stmt *statement = NULL;
    int r = catalog_query_locked(catalog, &statement,
                                 "SELECT sequence FROM version WHERE dataset = ?1 AND id = ?2",
                                 "tt", version->dataset, version->id);

    if (r == 0)
        r = catalog_step_locked(catalog, statement);
    if (r == 1) {
        *ret_sequence = sqlite3_column_int64(statement, 0);
        r = 0;
    }
    catalog_finish(catalog, statement);
    return r;
}

int catalog_version_commit(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_change *change, int64_t *ret_sequence)
{
    int64_t sequence = 0;
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = commit_row_locked(catalog, version);
    if (r == 0)
        r = read_sequence_locked(catalog, version, &sequence);
    if (r == 0)
        r = book_locked(catalog, version->dataset, version->id, change);
    r = catalog_end_change(catalog, r);
    if (r == 0)
        *ret_sequence = sequence;
    return r;
}

static int set_message_locked(struct catalog *catalog, const struct catalog_version *version,
                              const char *message)
{
    return catalog_do_locked(catalog,
                             "UPDATE version SET message = ?3 WHERE dataset = ?1 AND id = ?2",
                             "ttt", version->dataset, version->id, message);
}

int catalog_version_update(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_version_update *update,
                           const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    if (update->message != NULL)
        r = set_message_locked(catalog, version, update->message);
    if (r == 0)
        r = catalog_settings_apply_locked(catalog, version->dataset, version->id, update->settings,
                                          update->setting_count);
    if (r == 0)
        r = book_locked(catalog, version->dataset, version->id, change);
    return catalog_end_change(catalog, r);
}

/* Its tags go with an event each, so that their history tells why they ended. */
static int delete_rows_locked(struct catalog *catalog, const struct catalog_version *version,
                              const char *who)
{
    static const char *const statements[] = {
        ("INSERT INTO tag_event (dataset, name, version, before, time, who) "
         "SELECT dataset, name, '', version, unixepoch(), ?3 FROM tag "
         "WHERE dataset = ?1 AND version = ?2"),
        "DELETE FROM tag WHERE dataset = ?1 AND version = ?2",
        "DELETE FROM metadata WHERE dataset = ?1 AND version = ?2",
        ("DELETE FROM hold WHERE image = "
         "(SELECT image FROM version WHERE dataset = ?1 AND id = ?2)"),
        "INSERT INTO retired (dataset, id) VALUES (?1, ?2)",
        "DELETE FROM version WHERE dataset = ?1 AND id = ?2",
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof statements / sizeof statements[0]; i++) {
        r = catalog_do_locked(catalog, statements[i], i == 0 ? "ttt" : "tt", version->dataset,
                              version->id, who);
    }
    return r;
}

int catalog_version_delete(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = book_locked(catalog, version->dataset, version->id, change);
    if (r == 0)
        r = delete_rows_locked(catalog, version, change->who);
    return catalog_end_change(catalog, r);
}
