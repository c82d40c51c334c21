/*
 * The copy of the catalog in the store itself, from which a catalog.db that is lost, damaged or
 * older is restored. CATALOG_COPY.md has the format and the argument for crashes.
 *
 * Two images take turns: while one is written the other, whole one is not touched. Written is what
 * differs, and the content that the newer one has stays in memory for that (as much as catalog.db
 * has bytes).
 *
 * Threads: under the names lock; catalog_copy_size and catalog_copy_mapped from any.
 */
#ifndef VOLUME_CATALOG_COPY_H
#define VOLUME_CATALOG_COPY_H

#include <stddef.h>
#include <stdint.h>

#include "catalog/catalog_state.h"

struct varve;
struct catalog_copy;

/* Looks for the copies in the store and reads the newest whole one. In a store that may be written
 * it deletes images of copies that are more than two. */
int catalog_copy_load(struct varve *varve, struct catalog_copy **ret_copy);
void catalog_copy_free(struct catalog_copy *copy); /* takes NULL */

/* The newest whole copy; its number is 0, and the bytes are NULL, when there is none. They stay the
 * copy's, until the next follow. */
void catalog_copy_get(const struct catalog_copy *copy, struct catalog_state *ret_state,
                      const unsigned char **ret_bytes, size_t *ret_length);

/* Brings the copy up to the catalog, if that has changed. The change is made already: what fails
 * here is a note, once until it works again, and is tried again by the next call. varve_error()
 * stays as it was. */
void catalog_copy_follow(struct varve *varve, struct catalog *catalog);

/* The sizes of the images together, and what they map: no user's bytes. */
uint64_t catalog_copy_size(const struct catalog_copy *copy);
uint64_t catalog_copy_mapped(const struct catalog_copy *copy);

#endif
