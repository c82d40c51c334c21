/*
 * Texts that name a dataset, or a version of one, looked up in the catalog. All of these expect the
 * names lock.
 */
#ifndef DATASET_DATASET_REF_H
#define DATASET_DATASET_REF_H

#include "catalog/catalog_datasets.h"
#include "catalog/catalog_versions.h"
#include "volume/served_store.h"

/* NAME, TEAM/NAME or an id. -EINVAL for what names something else, such as a version; -ENOENT. */
int dataset_find_locked(struct catalog *catalog, const char *text,
                        struct catalog_dataset *ret_dataset);

/* DATASET:WHICH, or DATASET for its latest version. -EINVAL for what names no version; -ENOENT. */
int version_find_locked(struct catalog *catalog, const char *text,
                        struct catalog_version *ret_version);

/* The same, and -EINVAL for a bare DATASET: for what must not meet a version that nobody named. */
int version_find_exactly_locked(struct catalog *catalog, const char *text,
                                struct catalog_version *ret_version);

/* Takes a seat at the version, for `client`, so that it is not deleted. -EIO with a line when the
 * store does not have its image. */
int version_seat_locked(struct varve *varve, const struct catalog_version *version,
                        const char *client, struct seat *seat);

/* Takes NAME or TEAM/NAME of a dataset to be apart, and checks it: the team of `ret_dataset` and
 * its name are set, nothing else is touched. -EINVAL, also for what has an id's form. Pure. */
int dataset_name_parse(const char *text, struct catalog_dataset *ret_dataset);

#endif
