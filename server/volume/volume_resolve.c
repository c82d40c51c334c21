/* What a ref names: the catalog is asked for names, the store for what the image is. */
#include <errno.h>
#include <stdio.h>
#include <varve/error.h>

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

int volume_ref_resolve_locked(struct varve *varve, struct catalog *catalog, const char *text,
                              struct resolved *ret_resolved)
{
    struct volume_ref ref;
    int r = volume_ref_parse(text, &ref);

    (void)varve;
    if (r != 0)
        return r;
    struct resolved resolved = {.kind = ref.kind};
    if (ref.kind != NAMED_VOLUME)
        return varve_fail(ENOTSUP, "'%s' names no volume, and nothing else is served yet", text);
    r = resolve_volume(catalog, &ref, &resolved);
    if (r == 0)
        *ret_resolved = resolved;
    return r;
}
