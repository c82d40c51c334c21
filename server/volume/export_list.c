/*
 * What there is to attach: volumes, snapshots, versions. There may be tens of thousands, so they
 * are fetched in batches, and between two of these others get the names lock: one that is made or
 * deleted meanwhile may be missing or not, all others are there once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_snapshots.h"
#include "catalog/catalog_versions.h"
#include "volume/export_seat.h"
#include "volume/rows.h"

enum { BATCH = 256 };

struct entry {
    struct resolved what;
    char description[DESCRIPTION_MAX];
};

/* The row that was listed last, of each kind. */
struct cursor {
    enum named kind;
    struct catalog_volume volume;
    struct catalog_snapshot snapshot;
    struct catalog_version version;
};

static int next_volume(struct catalog *catalog, struct cursor *cursor, struct resolved *what)
{
    int r = catalog_volume_next(catalog, cursor->volume.name, &cursor->volume);

    what->image = cursor->volume.image;
    snprintf(what->ref, sizeof what->ref, "%s", cursor->volume.name);
    return r;
}

static int next_snapshot(struct catalog *catalog, struct cursor *cursor, struct resolved *what)
{
    int r = catalog_snapshot_next(catalog, cursor->snapshot.volume, cursor->snapshot.id,
                                  &cursor->snapshot);

    what->image = cursor->snapshot.image;
    what->frozen = true;
    catalog_snapshot_ref(&cursor->snapshot, what->ref);
    return r;
}

static int next_version(struct catalog *catalog, struct cursor *cursor, struct resolved *what)
{
    int r = catalog_version_next(catalog, cursor->version.dataset, cursor->version.id,
                                 &cursor->version);

    what->image = cursor->version.image;
    what->frozen = cursor->version.sequence != 0;
    snprintf(what->ref, sizeof what->ref, "%s", cursor->version.ref);
    return r;
}

/* -ENOENT, with no line, after the last of all. */
static int next_of_all(struct catalog *catalog, struct cursor *cursor, struct resolved *what)
{
    static int (*const next[])(struct catalog *, struct cursor *, struct resolved *) = {
        [NAMED_VOLUME] = next_volume,
        [NAMED_SNAPSHOT] = next_snapshot,
        [NAMED_VERSION] = next_version,
    };
    int r;

    do {
        *what = (struct resolved){.kind = cursor->kind};
        r = next[cursor->kind](catalog, cursor, what);
    } while (r == -ENOENT && cursor->kind++ < NAMED_VERSION);
    return r;
}

static int add_entry(struct varve *varve, struct rows *rows, const struct resolved *what)
{
    struct entry entry = {.what = *what};
    struct store_image_info info;
    int r = store_image_stat(varve->store, what->image, &info);

    if (r == -ENOENT) {
        snprintf(entry.description, sizeof entry.description, "%s %s, damaged",
                 named_name(what->kind), what->ref);
    } else if (r == 0) {
        entry.what.frozen = what->frozen || (info.flags & STORE_IMAGE_FROZEN) != 0;
        export_describe(&entry.what, info.size, entry.description);
    } else {
        return r;
    }
    return rows_add(rows, &entry);
}

static int fetch(struct varve *varve, struct cursor *cursor, struct rows *rows, bool *ret_more)
{
    struct resolved what;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    rows->count = 0;
    while (r == 0 && rows->count < BATCH) {
        r = next_of_all(catalog, cursor, &what);
        if (r == 0)
            r = add_entry(varve, rows, &what);
    }
    names_leave(varve);
    *ret_more = r == 0;
    return r == -ENOENT ? 0 : r;
}

int varve_export_list(struct varve *varve, varve_export_visit visit, void *opaque)
{
    struct rows rows = {.size = sizeof(struct entry)};
    struct cursor *cursor = calloc(1, sizeof *cursor);
    bool more = true;
    int r = 0;

    if (cursor == NULL)
        return varve_no_memory("a list of exports");
    while (r == 0 && more) {
        r = fetch(varve, cursor, &rows, &more);
        for (size_t i = 0; r == 0 && i < rows.count; i++) {
            const struct entry *entry = rows_at(&rows, i);

            r = visit(opaque, entry->what.ref, entry->description);
        }
    }
    free(rows.rows);
    free(cursor);
    return r;
}
