/*
 * The images that the catalog names, of whatever kind: what a number in the store is called, and
 * what its label there must say.
 *
 * Errors, threads and durability as in catalog.h.
 */
#ifndef CATALOG_CATALOG_IMAGES_H
#define CATALOG_CATALOG_IMAGES_H

#include <stddef.h>

#include "catalog/catalog_versions.h"

enum catalog_image_kind {
    CATALOG_IMAGE_VOLUME,
    CATALOG_IMAGE_SNAPSHOT,
    CATALOG_IMAGE_VERSION,
    CATALOG_IMAGE_TREE,     /* digests of a version's parts */
    CATALOG_IMAGE_MANIFEST, /* list of a version's files */
};

/* What does not belong to the kind is zero or "". */
struct catalog_image {
    uint64_t image;
    enum catalog_image_kind kind;
    char ref[CATALOG_OBJECT_MAX + 1]; /* in full; of a tree or manifest, the version's */
    char name[CATALOG_NAME_MAX + 1];  /* of the volume, or the snapshot's own */
    bool shared;                      /* volume */
    uint64_t head;                    /* snapshot: the image that it was taken of */
    char dataset[CATALOG_DATASET_ID + 1];
    char version[CATALOG_VERSION_ID + 1];
    uint64_t sequence; /* version: 0 while uncommitted */
};

/* -ENOENT, with no line, when no row names the image. */
int catalog_image_find(struct catalog *catalog, uint64_t image, struct catalog_image *ret_image);

/* All of them at one moment, in the order of images, in new memory: free(*ret_images). */
int catalog_images_read(struct catalog *catalog, struct catalog_image **ret_images,
                        size_t *ret_count);

/* The images of all versions of a dataset at one moment, in new memory: free(*ret_images). */
struct catalog_version_image {
    uint64_t image;
    bool committed;
};
int catalog_version_images_read(struct catalog *catalog, const char *dataset,
                                struct catalog_version_image **ret_images, size_t *ret_count);

#endif
