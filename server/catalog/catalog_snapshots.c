#include "catalog/catalog_snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

static const char kind[] = "snapshot";

/* The holds are counted by the query of the row: a list takes no further one. */
#define COLUMNS                                                                                    \
    "id, volume, name, head, image, created, who, message, schedule, "                             \
    "(SELECT count(*) FROM hold h WHERE h.image = snapshot.image)"

void catalog_snapshot_ref(const struct catalog_snapshot *snapshot,
                          char text[CATALOG_SNAPSHOT_REF_MAX + 1])
{
    snprintf(text, CATALOG_SNAPSHOT_REF_MAX + 1, "%s@%s", snapshot->volume, snapshot->name);
}

static int insert_row(struct catalog *catalog, const struct catalog_snapshot *snapshot)
{
    return catalog_do_locked(catalog,
                             "INSERT INTO snapshot (volume, name, who, message, head, image, "
                             "created, schedule) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                             "ttttnnnn", snapshot->volume, snapshot->name, snapshot->who,
                             snapshot->message, (int64_t)snapshot->head, (int64_t)snapshot->image,
                             snapshot->created, snapshot->schedule);
}

/* When the schedule that took it ran last, so that an opening does not run it at once again. */
static int mark_schedule(struct catalog *catalog, const struct catalog_snapshot *snapshot)
{
    return catalog_do_locked(catalog,
                             "UPDATE schedule SET last = ?3 WHERE volume = ?1 AND every = ?2",
                             "tnn", snapshot->volume, snapshot->schedule, snapshot->created);
}

static int insert_one(struct catalog *catalog, const struct catalog_snapshot *snapshot,
                      const char *hold, const struct catalog_change *change)
{
    char ref[CATALOG_SNAPSHOT_REF_MAX + 1];
    int r = insert_row(catalog, snapshot);

    catalog_snapshot_ref(snapshot, ref);
    if (r == -EEXIST)
        return varve_fail(EEXIST,
                          "snapshot '%s' exists already (or image %llu has another name); choose "
                          "another name",
                          ref, (unsigned long long)snapshot->image);
    if (r == 0 && snapshot->schedule != 0)
        r = mark_schedule(catalog, snapshot);
    if (r == 0 && hold != NULL)
        r = catalog_hold_insert_locked(catalog, snapshot->image, hold, snapshot->who);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, ref, change);
    return r;
}

int catalog_snapshots_insert(struct catalog *catalog, const struct catalog_snapshot *snapshots,
                             size_t count, const char *hold, const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = insert_one(catalog, &snapshots[i], hold, change);
    return catalog_end_change(catalog, r);
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_snapshot)
{
    struct catalog_snapshot row = {.id = sqlite3_column_int64(statement, 0)};
    int r = catalog_column_text(catalog, statement, 1, row.volume, sizeof row.volume);

    if (r == 0)
        r = catalog_column_text(catalog, statement, 2, row.name, sizeof row.name);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 6, row.who, sizeof row.who);
    if (r == 0)
        r = catalog_column_text(catalog, statement, 7, row.message, sizeof row.message);
    if (r != 0)
        return r;
    row.head = (uint64_t)sqlite3_column_int64(statement, 3);
    row.image = (uint64_t)sqlite3_column_int64(statement, 4);
    row.created = sqlite3_column_int64(statement, 5);
    row.schedule = sqlite3_column_int64(statement, 8);
    row.holds = (unsigned)sqlite3_column_int64(statement, 9);
    *(struct catalog_snapshot *)ret_snapshot = row;
    return 0;
}

int catalog_snapshot_find(struct catalog *catalog, const char *volume, const char *name,
                          struct catalog_snapshot *ret_snapshot)
{
    int r = catalog_find(catalog, read_row, ret_snapshot,
                         "SELECT " COLUMNS " FROM snapshot WHERE volume = ?1 AND name = ?2", "tt",
                         volume, name);

    if (r == -ENOENT)
        return varve_fail(ENOENT,
                          "there is no snapshot '%s@%s'; 'varve snapshots list' shows what there "
                          "is",
                          volume, name);
    return r;
}

int catalog_snapshot_next(struct catalog *catalog, const char *volume, int64_t id,
                          struct catalog_snapshot *ret_snapshot)
{
    return catalog_find(catalog, read_row, ret_snapshot,
                        "SELECT " COLUMNS " FROM snapshot WHERE (volume, id) > (?1, ?2) "
                        "ORDER BY volume, id LIMIT 1",
                        "tn", volume, id);
}

int catalog_volume_has_snapshots(struct catalog *catalog, const char *volume, bool *ret_has)
{
    int r;

    catalog_lock(catalog);
    r = catalog_do_locked(catalog, "SELECT 1 FROM snapshot WHERE volume = ?1 LIMIT 1", "t", volume);
    catalog_unlock(catalog);
    if (r < 0)
        return r;
    *ret_has = r == 1;
    return 0;
}

/* Behind a change of its row, which came to `r`: books its event. Only one that is gone meanwhile
 * can be missed, which the callers' lock forbids. */
static int book_locked(struct catalog *catalog, int r, const struct catalog_snapshot *snapshot,
                       const struct catalog_change *change)
{
    char ref[CATALOG_SNAPSHOT_REF_MAX + 1];

    catalog_snapshot_ref(snapshot, ref);
    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        return varve_fail(ENOENT, "snapshot '%s' is gone", ref);
    return r == 0 ? catalog_history_insert_locked(catalog, kind, ref, change) : r;
}

int catalog_snapshot_set_message(struct catalog *catalog, const struct catalog_snapshot *snapshot,
                                 const char *message, const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_do_locked(catalog, "UPDATE snapshot SET message = ?2 WHERE id = ?1", "nt",
                          snapshot->id, message);
    r = book_locked(catalog, r, snapshot, change);
    return catalog_end_change(catalog, r);
}

int catalog_snapshots_delete(struct catalog *catalog, const struct catalog_snapshot *snapshots,
                             size_t count, const char *volume, const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = catalog_do_locked(catalog, "DELETE FROM snapshot WHERE id = ?1", "n", snapshots[i].id);
        r = book_locked(catalog, r, &snapshots[i], change);
    }
    if (r == 0 && volume != NULL)
        r = catalog_volume_delete_locked(catalog, volume, change);
    return catalog_end_change(catalog, r);
}
