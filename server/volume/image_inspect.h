/* What is on an image, as varve_inspect says of a ref. */
#ifndef VOLUME_IMAGE_INSPECT_H
#define VOLUME_IMAGE_INSPECT_H

#include <varve/inspect.h>

#include "store/store.h"

/* `blank` is not looked at. */
int image_inspect(struct store *store, struct store_image *image,
                  struct varve_inspection **ret_inspection);

#endif
