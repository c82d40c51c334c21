#include "volume/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <varve/error.h>

#include "catalog/catalog_holds.h"
#include "volume/volume_name.h"

int guard_attached_locked(struct varve *varve, const struct guarded *guarded)
{
    struct attendance attendance;
    const char *writer;

    attendance_settle(varve->attachments, guarded->image);
    attendance_of(varve->attachments, guarded->image, &attendance);
    if (attendance.seats == 0)
        return 0;
    writer = attendance.writer[0] != '\0' ? attendance.writer : NULL;
    return varve_fail(EBUSY,
                      "%s '%s' is attached (%u connection%s, %s %s%s); detach it first, then %s",
                      named_name(guarded->kind), guarded->ref, attendance.seats,
                      attendance.seats == 1 ? "" : "s", writer != NULL ? "written by" : "by",
                      show_text(writer != NULL ? writer : attendance.client).text,
                      attendance.clients > 1 ? " and others" : "", guarded->then);
}

int guard_held_locked(struct catalog *catalog, const struct guarded *guarded)
{
    struct catalog_hold hold;
    int r = catalog_hold_next(catalog, 0, guarded->image, &hold);

    if (r == -ENOENT)
        return 0;
    if (r != 0)
        return r;
    return varve_fail(EBUSY,
                      "%s '%s' is held by %s: %s (hold %" PRId64
                      "); release it first ('varve holds release'), then %s",
                      named_name(guarded->kind), guarded->ref, show_text(hold.who).text,
                      show_text(hold.reason).text, hold.number, guarded->then);
}

int guard_locked(struct varve *varve, struct catalog *catalog, const struct guarded *guarded)
{
    int r = guard_attached_locked(varve, guarded);

    return r == 0 ? guard_held_locked(catalog, guarded) : r;
}
