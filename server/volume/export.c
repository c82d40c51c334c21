#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/error.h>

#include "volume/export_seat.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

static int sit_down(struct varve *varve, const char *ref, const char *client,
                    struct resolved *ret_resolved, struct seat *ret_seat)
{
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = volume_ref_resolve_locked(varve, catalog, ref, ret_resolved);
    if (r == 0) {
        r = seat_take(varve->attachments, ret_resolved->image, ret_resolved->ref,
                      ret_resolved->shared, client, ret_seat);
        if (r == -ENOENT)
            r = varve_fail(EIO, "%s '%s' is damaged: the store does not have its image %" PRIu64,
                           named_name(ret_resolved->kind), ret_resolved->ref, ret_resolved->image);
    }
    names_leave(varve);
    return r;
}

int varve_export_open(struct varve *varve, const char *ref, const char *client, bool read_only,
                      struct varve_export **ret_export)
{
    struct resolved resolved;
    struct varve_export *export = calloc(1, sizeof *export);
    int r;

    if (export == NULL)
        return varve_fail(ENOMEM, "no memory to open '%s'", show_text(ref).text);
    r = sit_down(varve, ref, client, &resolved, &export->seat);
    if (r != 0) {
        free(export);
        return r;
    }
    export->varve = varve;
    export->store = varve->store;
    export->read_only = read_only || varve->read_only;
    export->size = store_image_size(varve->store, export->seat.image);
    snprintf(export->description, sizeof export->description, "volume %s, %s", resolved.ref,
             show_size(export->size).text);
    *ret_export = export;
    return 0;
}

void varve_export_close(struct varve_export *export)
{
    if (export == NULL)
        return;
    seat_leave(export->varve->attachments, &export->seat);
    free(export);
}

uint64_t varve_export_size(const struct varve_export *export)
{
    return export->size;
}

bool varve_export_can_write(const struct varve_export *export)
{
    return !export->read_only && lease_is_open_to(export->varve->attachments, &export->seat);
}

const char *varve_export_description(const struct varve_export *export)
{
    return export->description;
}

struct export_listing {
    varve_export_visit visit;
    void *opaque;
};

static int list_one(void *opaque, const struct varve_volume *volume)
{
    const struct export_listing *listing = opaque;
    char description[DESCRIPTION_MAX];

    if (volume->damaged)
        snprintf(description, sizeof description, "volume %s, damaged", volume->name);
    else
        snprintf(description, sizeof description, "volume %s, %s", volume->name,
                 show_size(volume->size).text);
    return listing->visit(listing->opaque, volume->name, description);
}

int varve_export_list(struct varve *varve, varve_export_visit visit, void *opaque)
{
    struct export_listing listing = {visit, opaque};

    return varve_volume_list(varve, list_one, &listing);
}
