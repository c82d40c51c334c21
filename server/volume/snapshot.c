/* Snapshots as they are: shown, listed, with another message, deleted. */
#include "volume/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "volume/guard.h"
#include "volume/image_delete.h"
#include "volume/rows.h"
#include "volume/volume_name.h"

int snapshot_stat_locked(struct varve *varve, const struct catalog_snapshot *row,
                         struct varve_snapshot *ret_snapshot)
{
    struct varve_snapshot snapshot = {
        .image = row->image, .created = row->created, .schedule = row->schedule};
    struct store_image_info info;
    struct attendance attendance;
    int r = store_image_stat(varve->store, row->image, &info);

    if (r != 0 && r != -ENOENT)
        return r;
    snapshot.damaged = r == -ENOENT;
    if (!snapshot.damaged) {
        snapshot.size = info.size;
        snapshot.mapped_bytes = info.mapped;
    }
    snapshot.holds = row->holds;
    catalog_snapshot_ref(row, snapshot.ref);
    snprintf(snapshot.volume, sizeof snapshot.volume, "%s", row->volume);
    snprintf(snapshot.name, sizeof snapshot.name, "%s", row->name);
    snprintf(snapshot.who, sizeof snapshot.who, "%s", row->who);
    snprintf(snapshot.message, sizeof snapshot.message, "%s", row->message);
    attendance_of(varve->attachments, row->image, &attendance);
    snapshot.connections = attendance.seats;
    *ret_snapshot = snapshot;
    return 0;
}

int snapshot_find_locked(struct catalog *catalog, const char *ref, struct catalog_snapshot *ret_row)
{
    struct volume_ref parsed;
    int r = volume_ref_parse(ref, &parsed);

    if (r != 0)
        return r;
    if (parsed.kind != NAMED_SNAPSHOT)
        return varve_fail(EINVAL, "'%s' names no snapshot: these are called VOLUME@SNAPSHOT",
                          show_text(ref).text);
    return catalog_snapshot_find(catalog, parsed.name, parsed.which, ret_row);
}

int varve_snapshot_show(struct varve *varve, const char *ref, struct varve_snapshot *ret_snapshot)
{
    struct catalog_snapshot row;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = snapshot_find_locked(catalog, ref, &row);
    if (r == 0)
        r = snapshot_stat_locked(varve, &row, ret_snapshot);
    names_leave(varve);
    return r;
}

/* In batches, so that nobody waits for a long list; *row is the last one before. */
static int fetch(struct varve *varve, const char *volume, struct catalog_snapshot *row,
                 struct rows *rows, bool *ret_more)
{
    enum { BATCH = 128 };
    struct varve_snapshot snapshot;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    rows->count = 0;
    while (r == 0 && rows->count < BATCH) {
        r = catalog_snapshot_next(catalog, row->volume, row->id, row);
        if (r == 0 && volume != NULL && strcmp(row->volume, volume) != 0)
            r = -ENOENT;
        if (r == 0)
            r = snapshot_stat_locked(varve, row, &snapshot);
        if (r == 0)
            r = rows_add(rows, &snapshot);
    }
    names_leave(varve);
    *ret_more = r == 0;
    return r == -ENOENT ? 0 : r;
}

/* Without a snapshot the volume itself must be there. */
static int check_volume(struct varve *varve, const char *volume)
{
    struct catalog_volume row;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = catalog_volume_find(catalog, volume, &row);
    names_leave(varve);
    return r;
}

int varve_snapshot_list(struct varve *varve, const char *volume, varve_snapshot_visit visit,
                        void *opaque)
{
    struct rows rows = {.size = sizeof(struct varve_snapshot)};
    struct catalog_snapshot row = {.id = 0};
    bool more = true, some = false;
    int r = volume != NULL ? name_check(volume) : 0;

    if (r == 0 && volume != NULL)
        snprintf(row.volume, sizeof row.volume, "%s", volume);
    while (r == 0 && more) {
        r = fetch(varve, volume, &row, &rows, &more);
        some = some || rows.count > 0;
        for (size_t i = 0; r == 0 && i < rows.count; i++)
            r = visit(opaque, rows_at(&rows, i));
    }
    free(rows.rows);
    return r == 0 && !some && volume != NULL ? check_volume(varve, volume) : r;
}

static int set_message_locked(struct catalog *catalog, const char *ref, const char *message)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog_snapshot row;
    int r = snapshot_find_locked(catalog, ref, &row);

    if (r != 0 || strcmp(row.message, message) == 0)
        return r;
    snprintf(what, sizeof what, "message: %s", message);
    return catalog_snapshot_set_message(catalog, &row, message, &change);
}

int varve_snapshot_set_message(struct varve *varve, const char *ref, const char *message)
{
    struct catalog *catalog;
    int r = changes_are_allowed(varve);

    if (r == 0 && strlen(message) > VARVE_MESSAGE_MAX)
        r = varve_fail(EINVAL, "a message of %zu bytes is too long: it may have %d",
                       strlen(message), VARVE_MESSAGE_MAX);
    if (r == 0)
        r = names_enter(varve, &catalog);
    if (r != 0)
        return r;
    r = set_message_locked(catalog, ref, message);
    names_leave(varve);
    return r;
}

struct death {
    struct catalog *catalog;
    const struct catalog_snapshot *row;
    const char *why;
};

static int forget(void *opaque)
{
    const struct death *death = opaque;
    const struct catalog_change change = {varve_actor(), death->why};

    return catalog_snapshots_delete(death->catalog, death->row, 1, NULL, &change);
}

int snapshot_delete_locked(struct varve *varve, struct catalog *catalog,
                           const struct catalog_snapshot *row, const char *why)
{
    char ref[CATALOG_SNAPSHOT_REF_MAX + 1];
    const struct guarded guarded = {row->image, NAMED_SNAPSHOT, ref, "delete it"};
    const struct doomed_image doomed = {row->image, label_of_snapshot(row->head, row->name)};
    struct death death = {catalog, row, why};
    int r;

    catalog_snapshot_ref(row, ref);
    r = guard_locked(varve, catalog, &guarded);
    return r == 0 ? images_delete_locked(varve, &doomed, 1, forget, &death) : r;
}

int varve_snapshot_delete(struct varve *varve, const char *ref)
{
    struct catalog_snapshot row;
    struct catalog *catalog;
    int r = names_enter_to_change(varve, &catalog);

    if (r != 0)
        return r;
    r = snapshot_find_locked(catalog, ref, &row);
    if (r == 0)
        r = snapshot_delete_locked(varve, catalog, &row, "deleted");
    names_leave(varve);
    return r;
}
