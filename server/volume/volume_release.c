#include <errno.h>
#include <stdio.h>
#include <varve/error.h>

#include "volume/lease_take_away.h"
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
static void book(struct varve *varve, const struct leased *leased, const char *holder)
{
    const char *kind = named_name(leased->kind);
    char what[CATALOG_WHAT_MAX + 1];
    const struct catalog_change change = {varve_actor(), what};
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r == 0) {
        snprintf(what, sizeof what, "taken away from %s", holder);
        r = catalog_history_append(catalog, kind, leased->ref, &change);
        names_leave(varve);
    }
    if (r != 0)
        note(varve, "the release of %s '%s' is not in the history: %s", kind, leased->ref,
             varve_error());
}

int lease_take_away(struct varve *varve, const struct leased *leased, bool force)
{
    struct attendance attendance;
    char holder[160];

    if (!force) {
        attendance_of(varve->attachments, leased->image, &attendance);
        if (attendance.writer[0] == '\0')
            return 0;
        return varve_fail(EBUSY,
                          "%s '%s' is being written by %s; --force takes it away from that "
                          "client, whose later writes then fail",
                          named_name(leased->kind), leased->ref, show_text(attendance.writer).text);
    }
    lease_release(varve->attachments, leased->image, holder);
    if (holder[0] != '\0')
        book(varve, leased, holder);
    return 0;
}

int varve_volume_release(struct varve *varve, const char *name, bool force)
{
    struct catalog_volume row;
    int r = name_check(name);

    if (r == 0)
        r = find(varve, name, &row);
    if (r != 0)
        return r;
    return lease_take_away(varve, &(struct leased){row.image, NAMED_VOLUME, name}, force);
}
