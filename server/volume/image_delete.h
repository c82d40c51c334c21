/*
 * Deleting images that the catalog names, in the order that leaves no doubt after a crash: labels
 * say "deleted", durably; the names go, in one transaction; then the images.
 */
#ifndef VOLUME_IMAGE_DELETE_H
#define VOLUME_IMAGE_DELETE_H

#include "volume/image_label.h"
#include "volume/served_store.h"

struct doomed_image {
    uint64_t image;
    struct image_label label; /* as it is while the image lives */
};

/* All or none. `forget` takes the names out of the catalog, in one transaction; when it fails, the
 * images live on. One that the store does not have is passed over. Once the names are gone this
 * returns 0: what cannot be deleted then is noted, and deleted by the next opening. One that is
 * attached goes with the last client that has it open. Expects the names lock. */
int images_delete_locked(struct varve *varve, const struct doomed_image *images, size_t count,
                         int (*forget)(void *opaque), void *opaque);

#endif
