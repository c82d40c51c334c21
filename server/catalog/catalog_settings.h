/* Metadata as part of another change; only for the files of this folder. */
#ifndef CATALOG_CATALOG_SETTINGS_H
#define CATALOG_CATALOG_SETTINGS_H

#include "catalog/catalog_datasets.h"

/* Within a transaction. `version` is "" for the dataset's own. A key that is to be removed and is
 * not there is -ENOENT. */
int catalog_settings_apply_locked(struct catalog *catalog, const char *dataset, const char *version,
                                  const struct catalog_setting *settings, size_t count);

#endif
