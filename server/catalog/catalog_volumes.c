#include <errno.h>
#include <varve/error.h>

#include "catalog/catalog_connection.h"

static const char kind[] = "volume";

static int insert_row(struct catalog *catalog, const struct catalog_volume *volume)
{
    return catalog_do_locked(catalog,
                             "INSERT INTO volume (name, image, created, shared, reserved) "
                             "VALUES (?1, ?2, ?3, ?4, ?5)",
                             "tnnnn", volume->name, (int64_t)volume->image, volume->created,
                             (int64_t)volume->shared, (int64_t)volume->reserved);
}

/* The snapshots of a deleted volume become those of the new one of its name. */
static int adopt_snapshots(struct catalog *catalog, const char *name)
{
    return catalog_do_locked(catalog,
                             "UPDATE snapshot SET head = (SELECT image FROM volume "
                             "WHERE name = ?1) WHERE volume = ?1",
                             "t", name);
}

int catalog_volume_insert(struct catalog *catalog, const struct catalog_volume *volume,
                          const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = insert_row(catalog, volume);
    if (r == 0)
        r = adopt_snapshots(catalog, volume->name);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, volume->name, change);
    r = catalog_end_change(catalog, r);
    if (r == -EEXIST)
        return varve_fail(EEXIST,
                          "volume '%s' exists already (or image %llu has another name); choose "
                          "another name",
                          volume->name, (unsigned long long)volume->image);
    return r;
}

static int read_row(struct catalog *catalog, sqlite3_stmt *statement, void *ret_volume)
{
    struct catalog_volume volume;
    int r = catalog_column_text(catalog, statement, 0, volume.name, sizeof volume.name);

    if (r != 0)
        return r;
    volume.image = (uint64_t)sqlite3_column_int64(statement, 1);
    volume.created = sqlite3_column_int64(statement, 2);
    volume.shared = sqlite3_column_int64(statement, 3) != 0;
    volume.reserved = sqlite3_column_int64(statement, 4) != 0;
    *(struct catalog_volume *)ret_volume = volume;
    return 0;
}

static int no_such_volume(const char *name)
{
    return varve_fail(ENOENT, "there is no volume '%s'; 'varve volumes list' shows what there is",
                      name);
}

int catalog_volume_find(struct catalog *catalog, const char *name,
                        struct catalog_volume *ret_volume)
{
    int r = catalog_find(
        catalog, read_row, ret_volume,
        "SELECT name, image, created, shared, reserved FROM volume WHERE name = ?1", "t", name);

    return r == -ENOENT ? no_such_volume(name) : r;
}

int catalog_volume_next(struct catalog *catalog, const char *after,
                        struct catalog_volume *ret_volume)
{
    return catalog_find(catalog, read_row, ret_volume,
                        "SELECT name, image, created, shared, reserved FROM volume WHERE name > ?1 "
                        "ORDER BY name LIMIT 1",
                        "t", after);
}

/* Behind a change of the row that `name` names, which came to `r`: books its event to `object`. */
static int book_locked(struct catalog *catalog, int r, const char *name, const char *object,
                       const struct catalog_change *change)
{
    if (r == 0 && sqlite3_changes(catalog->db) == 0)
        r = no_such_volume(name);
    if (r == 0)
        r = catalog_history_insert_locked(catalog, kind, object, change);
    return r;
}

int catalog_volume_rename(struct catalog *catalog, const char *name, const char *new_name,
                          const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_do_locked(catalog, "UPDATE volume SET name = ?2 WHERE name = ?1", "tt", name,
                          new_name);
    r = book_locked(catalog, r, name, new_name, change);
    if (r == 0)
        r = catalog_do_locked(catalog, "UPDATE snapshot SET volume = ?2 WHERE volume = ?1", "tt",
                              name, new_name);
    if (r == 0)
        r = catalog_do_locked(catalog, "UPDATE schedule SET volume = ?2 WHERE volume = ?1", "tt",
                              name, new_name);
    r = catalog_end_change(catalog, r);
    if (r == -EEXIST)
        return varve_fail(EEXIST, "volume '%s' exists already; choose another name", new_name);
    return r;
}

int catalog_volume_set_shared(struct catalog *catalog, const char *name, bool shared,
                              const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_do_locked(catalog, "UPDATE volume SET shared = ?2 WHERE name = ?1", "tn", name,
                          (int64_t)shared);
    r = book_locked(catalog, r, name, name, change);
    return catalog_end_change(catalog, r);
}

int catalog_volume_delete_locked(struct catalog *catalog, const char *name,
                                 const struct catalog_change *change)
{
    int r = catalog_do_locked(catalog, "DELETE FROM volume WHERE name = ?1", "t", name);

    r = book_locked(catalog, r, name, name, change);
    return r == 0 ? catalog_do_locked(catalog, "DELETE FROM schedule WHERE volume = ?1", "t", name)
                  : r;
}

int catalog_volume_delete(struct catalog *catalog, const char *name,
                          const struct catalog_change *change)
{
    int r = catalog_begin_change(catalog);

    if (r != 0)
        return r;
    r = catalog_volume_delete_locked(catalog, name, change);
    return catalog_end_change(catalog, r);
}

int catalog_image_is_named(struct catalog *catalog, uint64_t image, bool *ret_named)
{
    int r;

    catalog_lock(catalog);
    r = catalog_do_locked(catalog, "SELECT 1 FROM named_image WHERE image = ?1", "n",
                          (int64_t)image);
    catalog_unlock(catalog);
    if (r < 0)
        return r;
    *ret_named = r == 1;
    return 0;
}
