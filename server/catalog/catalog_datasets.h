/*
 * Datasets in the catalog: named series of versions. See catalog.h for what all of these functions
 * have in common; policy (who may, what is refused) is server/dataset's.
 */
#ifndef CATALOG_CATALOG_DATASETS_H
#define CATALOG_CATALOG_DATASETS_H

#include <stddef.h>

#include "catalog/catalog.h"

enum {
    CATALOG_DATASET_ID = 15, /* "ds" and 13 of [0-9a-z] */
    CATALOG_VERSION_ID = 7,  /* a digit and 6 of [0-9a-z] */
};

/* Whether a text has the form of a dataset's id, and so is no name. Pure. */
bool catalog_is_dataset_id(const char *text);

struct catalog_dataset {
    char id[CATALOG_DATASET_ID + 1];
    char team[CATALOG_NAME_MAX + 1]; /* "" for none */
    char name[CATALOG_NAME_MAX + 1];
    char description[CATALOG_MESSAGE_MAX + 1];
    uint64_t size;   /* bytes of a new version that is empty; 0: not said */
    int64_t created; /* seconds since 1970 */
    char who[CATALOG_WHO_MAX + 1];
    int64_t last_sequence; /* of the newest commit ever; 0: none */
};

/* `ret_text` gets "TEAM/NAME", or "NAME" without a team. */
void catalog_dataset_full_name(const struct catalog_dataset *dataset,
                               char ret_text[2 * CATALOG_NAME_MAX + 2]);

/* A key with its value; without one (NULL) it is to be removed. */
struct catalog_setting {
    const char *key;
    const char *value;
};

/* What a dataset or a version has from the start: it is inserted with the row, or neither is. */
struct catalog_belongings {
    const struct catalog_setting *settings;
    size_t setting_count;
    const char *hold; /* of a version: why it must stay; or NULL */
};

/* -EEXIST when the team has a dataset of that name, or the id was ever used. */
int catalog_dataset_insert(struct catalog *catalog, const struct catalog_dataset *dataset,
                           const struct catalog_belongings *belongings,
                           const struct catalog_change *change);

/* By name in the team, or by id: then the team is "" or the dataset's own. */
int catalog_dataset_find(struct catalog *catalog, const char *team, const char *name_or_id,
                         struct catalog_dataset *ret_dataset);

/* In the order of teams and names; -ENOENT, with no line, after the last. ("", "") begins. */
int catalog_dataset_next(struct catalog *catalog, const char *after_team, const char *after_name,
                         struct catalog_dataset *ret_dataset);

/* What is to change; NULL members stay as they are. */
struct catalog_dataset_update {
    const char *name;
    const char *description;
    const uint64_t *size;
    const struct catalog_setting *settings;
    size_t setting_count;
};
/* All of it or nothing. -EEXIST when the name is taken. A key that is to be removed and is not
 * there is -ENOENT. */
int catalog_dataset_update(struct catalog *catalog, const struct catalog_dataset *dataset,
                           const struct catalog_dataset_update *update,
                           const struct catalog_change *change);

/* -EBUSY while it has versions. Its id is never used again. */
int catalog_dataset_delete(struct catalog *catalog, const struct catalog_dataset *dataset,
                           const struct catalog_change *change);
/* The same with all its versions, their tags, metadata and holds: all or nothing. */
int catalog_dataset_delete_whole(struct catalog *catalog, const struct catalog_dataset *dataset,
                                 const struct catalog_change *change);

#endif
