/*
 * Naming images that were just made, in the order that leaves no doubt after a crash: they are in
 * the store, labelled "new", and durable; then the catalog names them, in one transaction; then
 * their labels say so. The counterpart of image_delete.h.
 */
#ifndef VOLUME_IMAGE_NAME_H
#define VOLUME_IMAGE_NAME_H

#include "volume/image_label.h"
#include "volume/served_store.h"

struct born_image {
    uint64_t image;           /* carries its label in the state LABEL_NEW */
    struct image_label label; /* which it gets in the state LABEL_LIVE */
};

/* All or none: when `name` fails, or the store cannot make them durable, the images are deleted.
 * `name` puts them into the catalog, in one transaction. Expects the names lock. */
int images_name_locked(struct varve *varve, const struct born_image *images, size_t count,
                       int (*name)(void *opaque), void *opaque);

/* Clones one image, and gives the clone another size unless that is 0; or leaves none. */
int image_clone_sized(struct store *store, struct store_clone *clone, uint64_t size);

#endif
