/* Ids of datasets and versions, drawn at random: 13 and 6 marks of [0-9a-z] are too many to guess
 * or to meet twice; that none was used before is asked of the catalog. */
#ifndef DATASET_DATASET_ID_H
#define DATASET_DATASET_ID_H

#include "catalog/catalog_versions.h"

/* Whether it was ever used the insertion says (-EEXIST). -EIO without randomness. */
int dataset_id_draw(char ret_id[CATALOG_DATASET_ID + 1]);

/* One that the dataset never had. Expects the names lock. */
int version_id_draw_locked(struct catalog *catalog, const char *dataset,
                           char ret_id[CATALOG_VERSION_ID + 1]);

#endif
