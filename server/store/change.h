/*
 * The parts of store_change.c: each applies a change of an image as a whole, at run time and at
 * replay. 0, FOREST_NEED (nothing was changed; store->forest.need says what is missing) or -errno.
 * The image's record is writable (image_writable).
 */
#ifndef STORE_CHANGE_H
#define STORE_CHANGE_H

#include "store/internal.h"

int change_create(struct store *store, struct store_image *image,
                  const struct journal_record *record);
int change_clone(struct store *store, struct store_image *image, struct store_image *source,
                 const struct journal_record *record);
int change_delete(struct store *store, struct store_image *image);
int change_resize(struct store *store, struct store_image *image,
                  const struct journal_record *record);
int change_rollback(struct store *store, struct store_image *image, struct store_image *source);
void change_label(struct store *store, struct store_image *image, const char *label);
void change_flags(struct store *store, struct store_image *image, unsigned flags);

/* The record of a source can be changed, if a clone or a rollback changes it. */
int change_source_ready(struct store *store, struct store_image *source);

#endif
