#include <errno.h>
#include <stdio.h>
#include <varve/error.h>

#include "volume/served_store.h"
#include "volume/volume_name.h"

static int find(struct varve *varve, const char *name, struct catalog_volume *ret_row)
{
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = catalog_volume_find(catalog, name, ret_row);
    names_leave(varve);
    return r;
}

/* The fence stands; that it cannot be written down must not say otherwise. */
static void book(struct varve *varve, const char *name, const char *holder)
{
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r == 0) {
        snprintf(what, sizeof what, "taken away from %s", holder);
        r = catalog_history_append(catalog, "volume", name, &change, NULL);
        names_leave(varve);
    }
    if (r != 0)
        note(varve, "the release of volume '%s' is not in the history: %s", name, varve_error());
}

/* Waits for writes under way without the names lock: a stuck disk must not stop all management. */
int varve_volume_release(struct varve *varve, const char *name, bool force)
{
    struct attendance attendance;
    struct catalog_volume row;
    char holder[160];
    int r = name_check(name);

    if (r == 0)
        r = find(varve, name, &row);
    if (r != 0)
        return r;
    if (!force) {
        attendance_of(varve->attachments, row.image, &attendance);
        if (attendance.writer[0] == '\0')
            return 0;
        return varve_fail(EBUSY,
                          "volume '%s' is being written by %s; --force takes it away from that "
                          "client, whose later writes then fail",
                          name, show_text(attendance.writer).text);
    }
    lease_release(varve->attachments, row.image, holder);
    if (holder[0] != '\0')
        book(varve, name, holder);
    return 0;
}
