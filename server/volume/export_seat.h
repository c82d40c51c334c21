/* The inside of an open export; only for export*.c. */
#ifndef VOLUME_EXPORT_SEAT_H
#define VOLUME_EXPORT_SEAT_H

#include <pthread.h>
#include <varve/export.h>

#include "volume/read_streams.h"
#include "volume/served_store.h"
#include "volume/volume_ref.h"

enum { DESCRIPTION_MAX = 2 * REF_TEXT_MAX + 160 };

struct varve_export {
    struct varve *varve;
    struct store *store;
    struct seat seat; /* at the image; of a difference, at the second one */
    struct seat from; /* of a difference: at the first one */
    bool is_difference;
    bool read_only;
    bool frozen;                /* when it was opened: nobody can write it */
    uint64_t size;              /* when it was opened: what this connection's client was told */
    char ref[REF_TEXT_MAX + 1]; /* in full and for good; "" of a difference */
    char description[DESCRIPTION_MAX];
    pthread_mutex_t streams_lock; /* of `streams`; held across nothing else */
    struct read_streams streams;
};

/* "volume demo, 10 GiB, image 3", "snapshot demo@a, 10 GiB, frozen, image 4". The number is never
 * another image's, so a client that connects again can tell that it found the same. What can be
 * written, and was by others, gets their lease's number behind it, ", lease 7" (catalog_leases.h),
 * so that the client can tell that nobody else wrote to it either. */
void export_describe(const struct resolved *resolved, uint64_t size, char text[DESCRIPTION_MAX]);

/* Takes a seat at what a ref names. Expects the names lock. */
int export_sit_down_locked(struct varve *varve, const struct resolved *resolved, const char *client,
                           struct seat *ret_seat);

/* Both refs must name what is frozen. Fills in the export, whose `varve` and `store` are set. */
int difference_open(struct varve *varve, const char *from, const char *to, const char *client,
                    struct varve_export *export);
int difference_read(struct varve_export *export, void *buffer, size_t length, uint64_t offset);
int difference_cache(struct varve_export *export, uint64_t length, uint64_t offset);
int difference_extents(struct varve_export *export, uint64_t length, uint64_t offset,
                       struct varve_extent *ret_extents, unsigned max);

#endif
