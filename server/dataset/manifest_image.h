/* A manifest in an image of the store: see MANIFEST.md. For one thread. */
#ifndef DATASET_MANIFEST_IMAGE_H
#define DATASET_MANIFEST_IMAGE_H

#include "dataset/manifest_line.h"
#include "store/store.h"

struct manifest_reader;

/* -EIO when the image holds no manifest. It must not be deleted before the close. */
int manifest_open(struct store *store, uint64_t image, struct manifest_reader **ret_reader);
void manifest_close(struct manifest_reader *reader); /* takes NULL */
/* The next line in *ret_line, valid until the next call; NULL after the last. -EIO with a line for
 * what is none. */
int manifest_next(struct manifest_reader *reader, const struct manifest_line **ret_line);

/* Writes the manifest of the file system in `image` into the image `manifest`, which is new and
 * empty, and cuts that to size. Content that `base` (or NULL) shares with it, and whose line the
 * manifest of base holds (base_manifest 0: none), is not read again. *ret_files: how many lines.
 * *ret_made false: `image` holds no clean ext4 file system, or one that is damaged; then there is
 * nothing to be kept. -ECANCELED, -EIO of the store, -ENOSPC, -ENOMEM. */
int manifest_make(struct store *store, struct store_image *image, const char *what,
                  struct store_image *base, uint64_t base_manifest, uint64_t manifest,
                  uint64_t *ret_files, bool *ret_made);

/* Merges two manifests and says what is different in the second. */
struct manifest_difference {
    uint64_t added, removed, changed;
};
typedef int (*manifest_change)(void *opaque, const struct manifest_line *from,
                               const struct manifest_line *to);
/* `change` (or NULL) gets NULL for the side that lacks it; a nonzero return stops and is returned.
 */
int manifest_compare(struct store *store, uint64_t from, uint64_t to, manifest_change change,
                     void *opaque, struct manifest_difference *ret_difference);

#endif
