/*
 * Taking the write lease of a volume or a version away from whoever holds it, as a user asks for
 * it.
 */
#ifndef VOLUME_LEASE_TAKE_AWAY_H
#define VOLUME_LEASE_TAKE_AWAY_H

#include "volume/served_store.h"
#include "volume/volume_ref.h"

struct leased {
    uint64_t image;
    enum named kind;
    const char *ref; /* in full */
};

/* As varve_volume_release. The names lock must not be held: this waits for writes under way, and a
 * stuck disk must not stop all management. */
int lease_take_away(struct varve *varve, const struct leased *leased, bool force);

#endif
