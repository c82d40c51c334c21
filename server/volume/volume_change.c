/* What can be changed about a volume: its size, its name, who may write. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>
#include <varve/snapshot.h>

#include "volume/announce.h"
#include "volume/image_label.h"
#include "volume/name_taken.h"
#include "volume/served_store.h"
#include "volume/volume_name.h"

/* Finds a volume that can be changed. Expects the names lock. */
static int find_sound_locked(struct varve *varve, struct catalog *catalog, const char *name,
                             struct catalog_volume *ret_row, struct varve_volume *ret_volume)
{
    int r = catalog_volume_find(catalog, name, ret_row);

    if (r == 0)
        r = volume_stat_locked(varve, ret_row, ret_volume);
    if (r == 0 && ret_volume->damaged)
        r = varve_fail(EIO,
                       "volume '%s' is damaged: the store does not have its image %" PRIu64
                       "; delete the volume, or put the right catalog back",
                       name, ret_row->image);
    return r;
}

/* Enters with the checks that every change begins with. Only after 0 names_leave must follow. */
static int enter_to_change(struct varve *varve, const char *name, struct catalog **ret_catalog)
{
    int r = name_check(name);

    return r == 0 ? names_enter_to_change(varve, ret_catalog) : r;
}

/* The catalog does not hold the size: the line goes first, because it can be taken back; dropped
 * blocks cannot. */
static int resize_locked(struct varve *varve, struct catalog *catalog, const char *name,
                         uint64_t size)
{
    char what[CATALOG_WHAT_MAX + 1];
    struct catalog_announcement announcement = {.size = size};
    struct catalog_volume row;
    struct varve_volume volume;
    int r = find_sound_locked(varve, catalog, name, &row, &volume);

    if (r != 0 || size == volume.size)
        return r;
    if (size < volume.size && volume.connections > 0)
        return varve_fail(EBUSY,
                          "volume '%s' is attached (%u connection%s) and cannot shrink from %s to "
                          "%s; detach it first",
                          name, volume.connections, volume.connections == 1 ? "" : "s",
                          show_size(volume.size).text, show_size(size).text);
    snprintf(what, sizeof what, "resized from %" PRIu64 " to %" PRIu64 " bytes", volume.size, size);
    announcement.image = row.image;
    r = change_announce_locked(varve, catalog, "volume", name, what, &announcement);
    if (r != 0)
        return r;
    r = store_image_resize(varve->store, row.image, size);
    return change_end_locked(varve, catalog, r, NULL);
}

int varve_volume_resize(struct varve *varve, const char *name, uint64_t size)
{
    struct catalog *catalog;
    int r = size_check(size);

    if (r == 0)
        r = enter_to_change(varve, name, &catalog);
    if (r != 0)
        return r;
    r = resize_locked(varve, catalog, name, size);
    names_leave(varve);
    return r;
}

/* The store's label follows the catalog: where it cannot, reconcile.c does it at the next opening.
 */
static void relabel(struct varve *varve, uint64_t image, const char *name, bool shared)
{
    const struct image_label words = label_of_volume(name, shared);
    char label[IMAGE_LABEL_SIZE];

    image_label_format(LABEL_LIVE, &words, label);
    if (store_image_set_label(varve->store, image, label) != 0)
        note(varve, "volume '%s' could not be labelled anew in the store: %s", name, varve_error());
}

/* `said` goes into the history. */
static int rename_locked(struct varve *varve, struct catalog *catalog, const char *name,
                         const char *new_name, const char *said)
{
    const struct catalog_change change = {varve_actor(), said};
    struct catalog_volume row;
    struct varve_volume volume;
    int r = find_sound_locked(varve, catalog, name, &row, &volume);

    if (r != 0 || strcmp(name, new_name) == 0)
        return r;
    r = name_is_free_locked(catalog, new_name);
    if (r == 0)
        r = name_has_no_past_locked(catalog, new_name);
    if (r != 0)
        return r;
    r = catalog_volume_rename(catalog, name, new_name, &change);
    if (r != 0)
        return r;
    attachment_set_name(varve->attachments, row.image, new_name);
    relabel(varve, row.image, new_name, row.shared);
    return 0;
}

static int rename_saying(struct varve *varve, const char *name, const char *new_name,
                         const char *said)
{
    struct catalog *catalog;
    int r = name_check(new_name);

    if (r == 0)
        r = enter_to_change(varve, name, &catalog);
    if (r != 0)
        return r;
    r = rename_locked(varve, catalog, name, new_name, said);
    names_leave(varve);
    return r;
}

int varve_volume_rename(struct varve *varve, const char *name, const char *new_name)
{
    char said[CATALOG_WHAT_MAX + 1];

    snprintf(said, sizeof said, "renamed from %s", name);
    return rename_saying(varve, name, new_name, said);
}

/* One change, so that no half of a file ever has the name. */
int varve_volume_imported(struct varve *varve, const char *name, const char *new_name,
                          const char *file)
{
    char said[CATALOG_WHAT_MAX + 1];
    int r = text_check("file's name", file, VARVE_MESSAGE_MAX);

    snprintf(said, sizeof said, "imported from %s; renamed from %s", file, name);
    return r == 0 ? rename_saying(varve, name, new_name, said) : r;
}

static int set_shared_locked(struct varve *varve, struct catalog *catalog, const char *name,
                             bool shared)
{
    const struct catalog_change change = {varve_actor(), shared ? "shared" : "no longer shared"};
    struct catalog_volume row;
    struct varve_volume volume;
    struct attendance attendance;
    int r = find_sound_locked(varve, catalog, name, &row, &volume);

    if (r != 0 || row.shared == shared)
        return r;
    attendance_settle(varve->attachments, row.image);
    attendance_of(varve->attachments, row.image, &attendance);
    if (!shared && attendance.clients > 1)
        return varve_fail(EBUSY,
                          "%u clients are connected to volume '%s', and any of them may be "
                          "writing; detach all but one before it is no longer shared",
                          attendance.clients, name);
    r = catalog_volume_set_shared(catalog, name, shared, &change);
    if (r != 0)
        return r;
    attachment_set_shared(varve->attachments, row.image, shared);
    relabel(varve, row.image, name, shared);
    return 0;
}

int varve_volume_set_shared(struct varve *varve, const char *name, bool shared)
{
    struct catalog *catalog;
    int r = enter_to_change(varve, name, &catalog);

    if (r != 0)
        return r;
    r = set_shared_locked(varve, catalog, name, shared);
    names_leave(varve);
    return r;
}
