/* What usage.c and delete_preview.c share. */
#ifndef VOLUME_USAGE_H
#define VOLUME_USAGE_H

#include <varve/usage.h>

#include "catalog/catalog_images.h"
#include "volume/served_store.h"

/* "volume", "snapshot" or "version", of a tree or manifest too. */
const char *usage_kind(const struct catalog_image *row);

/* Until what was deleted is reclaimed it refers to its blocks, and less seems to come back than
 * will. Takes it to the end, with progress; nothing when the store is only read. */
int usage_finish_reclaim(struct varve *varve);

/* What deleting these images brings back; those that are gone meanwhile count nothing. */
int usage_of_images(struct varve *varve, uint64_t *images, size_t count,
                    struct store_usage *ret_usage);

#endif
