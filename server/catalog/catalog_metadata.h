/*
 * Keys and values that users give to datasets and versions. They are set by
 * catalog_dataset_update and catalog_version_update. See catalog.h for what all of these functions
 * have in common.
 */
#ifndef CATALOG_CATALOG_METADATA_H
#define CATALOG_CATALOG_METADATA_H

#include "catalog/catalog.h"

enum { CATALOG_KEY_MAX = 128, CATALOG_VALUE_MAX = 4095 };

/* 0, or -EINVAL with a line: of a key 1 to CATALOG_KEY_MAX of [A-Za-z0-9._/:-], of a value at most
 * CATALOG_VALUE_MAX bytes. Pure. */
int catalog_metadata_check(const char *key, const char *value);

struct catalog_metadata {
    char key[CATALOG_KEY_MAX + 1];
    char value[CATALOG_VALUE_MAX + 1];
};

/* Of a version, or with version "" of the dataset itself: the one with the first key after `after`;
 * -ENOENT, with no line, after the last. */
int catalog_metadata_next(struct catalog *catalog, const char *dataset, const char *version,
                          const char *after, struct catalog_metadata *ret_metadata);

#endif
