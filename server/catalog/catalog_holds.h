/*
 * Holds in the catalog: who wants an image kept, and why. Any number of holds on one image; what
 * they forbid is decided by server/volume. The image of a volume, snapshot or version.
 *
 * Errors, threads and durability as in catalog.h.
 */
#ifndef CATALOG_CATALOG_HOLDS_H
#define CATALOG_CATALOG_HOLDS_H

#include "catalog/catalog.h"

struct catalog_hold {
    int64_t number; /* never used again */
    uint64_t image;
    char reason[CATALOG_REASON_MAX + 1];
    int64_t created; /* seconds since 1970 */
    char who[CATALOG_WHO_MAX + 1];
};

/* `kind` and `object` say for the history what is held. Number and time are the catalog's. */
int catalog_hold_insert(struct catalog *catalog, uint64_t image, const char *reason,
                        const char *kind, const char *object, const struct catalog_change *change,
                        int64_t *ret_number);
/* -ENOENT when there is no such hold. */
int catalog_hold_find(struct catalog *catalog, int64_t number, struct catalog_hold *ret_hold);
/* The hold with the lowest number above `after` (0 to begin), of `image` alone unless that is 0;
 * -ENOENT, with no line, after the last. */
int catalog_hold_next(struct catalog *catalog, int64_t after, uint64_t image,
                      struct catalog_hold *ret_hold);
int catalog_hold_delete(struct catalog *catalog, int64_t number, const char *kind,
                        const char *object, const struct catalog_change *change);

#endif
