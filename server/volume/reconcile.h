/* The two halves of reconcile.c; only for them. Before any other thread knows the store. */
#ifndef VOLUME_RECONCILE_H
#define VOLUME_RECONCILE_H

#include <stddef.h>

#include "catalog/catalog_images.h"
#include "volume/image_label.h"
#include "volume/served_store.h"

/* An image that no row names, and what its label says. */
struct unnamed_image {
    struct store_image_info info;
    struct image_label label;
    enum label_state state;
};

struct reconciliation {
    struct varve *varve;
    struct catalog *catalog;
    bool made; /* the catalog is not the file that was there: "new" may have been named in that */
    const struct catalog_image *rows;
    size_t row_count;
    struct unnamed_image *unnamed; /* in the order of images */
    size_t unnamed_count;
    struct unnamed_image **parts; /* of them: those that belong to versions, sorted by version */
    size_t part_count;
};

/* Opens the catalog: the file, or what the copy in the store or an empty one put in its place,
 * which *ret_made says. Expects varve->copy. */
int catalog_restore(struct varve *varve, struct catalog **ret_catalog, bool *ret_made);

/* Deletes what a crash left, gives all others their names back. */
int reconcile_unnamed(struct reconciliation *reconciliation);

#endif
