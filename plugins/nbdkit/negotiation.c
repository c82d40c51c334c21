#include "negotiation.h"

#include <string.h>

#include <varve/error.h>
#include <varve/export.h>
#include <varve/volume.h>

#include "complaint.h"
#include "connection.h"

enum {
    /* nbdkit fails a listing that is longer */
    EXPORTS_LISTED_MAX = 10000,
    BLOCK_MINIMUM = 1,
    BLOCK_PREFERRED = 4096, /* smaller or unaligned ones are read, patched and written */
    BLOCK_MAXIMUM = 32 << 20,
};

struct listing {
    struct nbdkit_exports *exports;
    unsigned listed;
};

static int list_one(void *opaque, const char *ref, const char *description)
{
    struct listing *listing = opaque;

    if (listing->listed == EXPORTS_LISTED_MAX) {
        complain("only the first %d exports are listed; all can be attached", EXPORTS_LISTED_MAX);
        return 1;
    }
    listing->listed++;
    return nbdkit_add_export(listing->exports, ref, description);
}

int offer_exports(int read_only, int is_tls, struct nbdkit_exports *exports)
{
    struct listing listing = {.exports = exports};
    int error;

    (void)read_only;
    (void)is_tls;
    varve_error_clear();
    error = varve_export_list(plugin_store(), list_one, &listing);
    if (error < 0) {
        complain("cannot list the exports: %s", *varve_error() ? varve_error() : strerror(-error));
        return -1;
    }
    return 0;
}

struct lone_volume {
    unsigned count;
    const char *name; /* NULL when there is no memory for it */
};

static int note_volume(void *opaque, const struct varve_volume *volume)
{
    struct lone_volume *lone = opaque;

    if (++lone->count == 1) {
        lone->name = nbdkit_strdup_intern(volume->name);
    }
    return lone->count > 1;
}

/* The only volume: snapshots of it change nothing about that. */
const char *offer_default_export(int read_only, int is_tls)
{
    struct lone_volume lone = {0};

    (void)read_only;
    (void)is_tls;
    if (varve_volume_list(plugin_store(), note_volume, &lone) < 0 || lone.count != 1) {
        return NULL; /* nbdkit refuses the client then */
    }
    return lone.name;
}

const char *offer_description(void *handle)
{
    return nbdkit_strdup_intern(varve_export_description(connection_export(handle)));
}

int64_t offer_size(void *handle)
{
    uint64_t size = varve_export_size(connection_export(handle));

    _Static_assert(VARVE_VOLUME_SIZE_MAX <= INT64_MAX, "nbdkit's sizes are signed");
    return (int64_t)size;
}

int offer_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
    (void)handle;
    *minimum = BLOCK_MINIMUM;
    *preferred = BLOCK_PREFERRED;
    *maximum = BLOCK_MAXIMUM;
    return 0;
}

int offer_write(void *handle)
{
    return varve_export_can_write(connection_export(handle));
}

int offer_fua(void *handle)
{
    (void)handle;
    return NBDKIT_FUA_NATIVE;
}

int offer_cache(void *handle)
{
    (void)handle;
    return NBDKIT_CACHE_NATIVE;
}

int offer_always(void *handle)
{
    (void)handle;
    return 1;
}
