/* What a ref names: the catalog is asked for names, the store for what the image is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_snapshots.h"
#include "catalog/catalog_versions.h"
#include "volume/served_store.h"
#include "volume/volume_ref.h"

static int resolve_volume(struct catalog *catalog, const struct volume_ref *ref,
                          struct resolved *resolved)
{
    struct catalog_volume row;
    int r = catalog_volume_find(catalog, ref->name, &row);

    if (r != 0)
        return r;
    resolved->image = row.image;
    resolved->shared = row.shared;
    snprintf(resolved->ref, sizeof resolved->ref, "%s", row.name);
    return 0;
}

static int resolve_snapshot(struct catalog *catalog, const struct volume_ref *ref,
                            struct resolved *resolved)
{
    struct catalog_snapshot row;
    int r = catalog_snapshot_find(catalog, ref->name, ref->which, &row);

    if (r != 0)
        return r;
    resolved->image = row.image;
    resolved->frozen = true;
    catalog_snapshot_ref(&row, resolved->ref);
    return 0;
}

static int resolve_version(struct catalog *catalog, const struct volume_ref *ref,
                           struct resolved *resolved)
{
    struct catalog_version row;
    int r = catalog_version_resolve(catalog, ref->team, ref->name, ref->which, &row);

    if (r != 0)
        return r;
    resolved->kind = NAMED_VERSION;
    resolved->image = row.image;
    resolved->frozen = row.sequence != 0;
    snprintf(resolved->ref, sizeof resolved->ref, "%s", row.ref);
    memcpy(resolved->dataset, row.dataset, sizeof row.dataset);
    memcpy(resolved->version, row.id, sizeof row.id);
    return 0;
}

/* Without a volume of that name, the latest version of a dataset. */
static int resolve_bare(struct catalog *catalog, const struct volume_ref *ref,
                        struct resolved *resolved)
{
    struct catalog_dataset dataset;
    int r = resolve_volume(catalog, ref, resolved);

    if (r != -ENOENT)
        return r;
    r = catalog_dataset_find(catalog, "", ref->name, &dataset);
    if (r == -ENOENT)
        return varve_fail(ENOENT, "there is no volume '%s', and no dataset of that name",
                          ref->name);
    return r == 0 ? resolve_version(catalog, ref, resolved) : r;
}

int volume_ref_resolve_locked(struct varve *varve, struct catalog *catalog, const char *text,
                              struct resolved *ret_resolved)
{
    struct volume_ref ref;
    int r = volume_ref_parse(text, &ref);

    (void)varve;
    if (r != 0)
        return r;
    struct resolved resolved = {.kind = ref.kind};
    switch (ref.kind) {
    case NAMED_VOLUME:
        r = resolve_bare(catalog, &ref, &resolved);
        break;
    case NAMED_SNAPSHOT:
        r = resolve_snapshot(catalog, &ref, &resolved);
        break;
    case NAMED_VERSION:
        r = resolve_version(catalog, &ref, &resolved);
        break;
    }
    if (r == 0)
        *ret_resolved = resolved;
    return r;
}
