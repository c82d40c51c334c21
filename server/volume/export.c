#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_leases.h"
#include "volume/export_seat.h"
#include "volume/volume_name.h"

int export_sit_down_locked(struct varve *varve, const struct resolved *resolved, const char *client,
                           struct seat *ret_seat)
{
    int r = seat_take(varve->attachments, resolved->image, resolved->ref, resolved->shared, client,
                      ret_seat);

    if (r == -ENOENT)
        r = varve_fail(EIO, "%s '%s' is damaged: the store does not have its image %" PRIu64,
                       named_name(resolved->kind), resolved->ref, resolved->image);
    return r;
}

void export_describe(const struct resolved *resolved, uint64_t size, char text[DESCRIPTION_MAX])
{
    const char *state = resolved->frozen                  ? ", frozen"
                        : resolved->kind == NAMED_VERSION ? ", not committed"
                                                          : "";

    snprintf(text, DESCRIPTION_MAX, "%s %s, %s%s, image %" PRIu64, named_name(resolved->kind),
             resolved->ref, show_size(size).text, state, resolved->image);
}

static int describe_lease(struct catalog *catalog, const struct resolved *resolved,
                          struct varve_export *export)
{
    const size_t length = strlen(export->description);
    int64_t number = 0;
    int r = 0;

    if (!resolved->frozen && !resolved->shared && strchr(export->seat.client, '#') == NULL)
        r = catalog_lease_seen(catalog, resolved->image, export->seat.client, &number);
    if (number > 0)
        snprintf(export->description + length, sizeof export->description - length,
                 ", lease %" PRId64, number);
    return r;
}

static int open_image(struct varve *varve, const char *ref, const char *client,
                      struct varve_export *export)
{
    struct resolved resolved;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = volume_ref_resolve_locked(varve, catalog, ref, &resolved);
    if (r == 0)
        r = export_sit_down_locked(varve, &resolved, client, &export->seat);
    if (r == 0) {
        export->size = store_image_size(varve->store, export->seat.image);
        export_describe(&resolved, export->size, export->description);
        r = describe_lease(catalog, &resolved, export);
        if (r != 0)
            seat_leave(varve->attachments, &export->seat);
    }
    names_leave(varve);
    if (r != 0)
        return r;
    memcpy(export->ref, resolved.ref, sizeof export->ref);
    export->frozen = resolved.frozen;
    export->read_only = export->read_only || resolved.frozen;
    return 0;
}

static void export_free(struct varve_export *export)
{
    pthread_mutex_destroy(&export->streams_lock);
    free(export);
}

int varve_export_open(struct varve *varve, const char *ref, const char *client, bool read_only,
                      struct varve_export **ret_export)
{
    char from[REF_TEXT_MAX + 1], to[REF_TEXT_MAX + 1];
    struct varve_export *export = calloc(1, sizeof *export);
    int r;

    if (export == NULL)
        return varve_fail(ENOMEM, "no memory to open '%s'", show_text(ref).text);
    pthread_mutex_init(&export->streams_lock, NULL);
    export->varve = varve;
    export->store = varve->store;
    export->read_only = read_only || varve->read_only;
    r = volume_ref_split(ref, from, to) ? difference_open(varve, from, to, client, export)
                                        : open_image(varve, ref, client, export);
    if (r != 0) {
        export_free(export);
        return r;
    }
    *ret_export = export;
    return 0;
}

void varve_export_close(struct varve_export *export)
{
    if (export == NULL)
        return;
    seat_leave(export->varve->attachments, &export->seat);
    if (export->is_difference)
        seat_leave(export->varve->attachments, &export->from);
    export_free(export);
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
