#include <errno.h>
#include <varve/dataset.h>
#include <varve/error.h>

#include "dataset/dataset_ref.h"
#include "volume/lease_take_away.h"

int varve_version_release(struct varve *varve, const char *ref, bool force)
{
    struct catalog_version row;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = version_find_exactly_locked(catalog, ref, &row);
    names_leave(varve);
    if (r == 0 && row.sequence != 0)
        r = varve_fail(EPERM, "version '%s' is committed and never changes: nobody writes to it",
                       row.ref);
    if (r != 0)
        return r;
    return lease_take_away(varve, &(struct leased){row.image, NAMED_VERSION, row.ref}, force);
}
