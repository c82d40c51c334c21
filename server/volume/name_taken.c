#include "volume/name_taken.h"

#include <errno.h>
#include <varve/error.h>

#include "catalog/catalog_datasets.h"
#include "catalog/catalog_snapshots.h"

int name_is_free_locked(struct catalog *catalog, const char *name)
{
    struct catalog_dataset dataset;
    struct catalog_volume volume;
    int r = catalog_volume_find(catalog, name, &volume);

    if (r == 0)
        return varve_fail(EEXIST, "volume '%s' exists already; choose another name", name);
    if (r == -ENOENT)
        r = catalog_dataset_find(catalog, "", name, &dataset);
    if (r == 0)
        return varve_fail(EEXIST, "dataset '%s' exists already; choose another name", name);
    return r == -ENOENT ? 0 : r;
}

int name_has_no_past_locked(struct catalog *catalog, const char *name)
{
    bool has = false;
    int r = catalog_volume_has_snapshots(catalog, name, &has);

    if (r == 0 && has)
        return varve_fail(EEXIST,
                          "a deleted volume '%s' left snapshots ('varve snapshots list %s'): clone "
                          "one of them (--from), delete them, or choose another name",
                          name, name);
    return r;
}
