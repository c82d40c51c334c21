/*
 * Rows of the catalog as users see them: with what the store, the attachment table and other rows
 * know of them. Expects the names lock throughout.
 */
#ifndef DATASET_DATASET_VIEW_H
#define DATASET_DATASET_VIEW_H

#include <varve/dataset.h>
#include <varve/tag.h>

#include "catalog/catalog_tags.h"
#include "catalog/catalog_versions.h"
#include "volume/rows.h"
#include "volume/served_store.h"

/* What all versions of one dataset are looked at with. */
struct dataset_view {
    struct varve *varve;
    struct catalog *catalog;
    struct catalog_dataset row;
    struct rows tags;                    /* of struct catalog_tag */
    char latest[CATALOG_VERSION_ID + 1]; /* "" before the first commit */
};

/* Of a dataset's row. Only after 0 dataset_view_release must follow. */
int dataset_view_open_locked(struct varve *varve, struct catalog *catalog,
                             const struct catalog_dataset *row, struct dataset_view *ret_view);
void dataset_view_release(struct dataset_view *view);

int version_stat_locked(const struct dataset_view *view, const struct catalog_version *row,
                        struct varve_version *ret_version);
/* The same for one version. */
int version_show_locked(struct varve *varve, struct catalog *catalog,
                        const struct catalog_version *row, struct varve_version *ret_version);
int dataset_show_locked(struct varve *varve, struct catalog *catalog,
                        const struct catalog_dataset *row, struct varve_dataset *ret_dataset);

/* Adds the dataset's versions, as struct catalog_version, in the order of ids. */
int dataset_versions_locked(struct catalog *catalog, const char *dataset, struct rows *versions);

/* 0, or -EINVAL with a line: the form of keys and values. */
int settings_check(const struct varve_settings *settings);

#endif
