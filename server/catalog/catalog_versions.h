/*
 * Versions of datasets in the catalog. A version is inserted uncommitted, and committed once: from
 * then on only its message, tags and metadata change. See catalog.h for what all of these functions
 * have in common.
 */
#ifndef CATALOG_CATALOG_VERSIONS_H
#define CATALOG_CATALOG_VERSIONS_H

#include "catalog/catalog_datasets.h"

enum {
    CATALOG_REF_MAX = CATALOG_OBJECT_MAX,
    CATALOG_DIGEST_TEXT = 64, /* hexadecimal */
    CATALOG_CLASS_MAX = 15,
};

/* Whether a text has the form of a version's id, and so is no tag. Pure. */
bool catalog_is_version_id(const char *text);

struct catalog_version {
    char dataset[CATALOG_DATASET_ID + 1];
    char id[CATALOG_VERSION_ID + 1];
    char ref[CATALOG_REF_MAX + 1]; /* TEAM/NAME:ID, made from the dataset's row */
    uint64_t image;                /* number in the store, above 0 */
    int64_t created;               /* seconds since 1970 */
    char who[CATALOG_WHO_MAX + 1];
    char message[CATALOG_MESSAGE_MAX + 1];
    char parent[CATALOG_REF_MAX + 1]; /* what it was cloned from, or "" */
    unsigned holds;                   /* how many hold its image; only read */

    /* From here on 0 or "" until it is committed. */
    int64_t sequence; /* order of commits in the dataset, from 1 */
    int64_t committed;
    char committer[CATALOG_WHO_MAX + 1];
    char digest[CATALOG_DIGEST_TEXT + 1];
    char class[CATALOG_CLASS_MAX + 1]; /* clean, dirty, unknown, raw */
    uint64_t tree_image;               /* the digests of its parts */
    uint64_t manifest_image;           /* list of its files; 0: none */
    uint64_t files;                    /* how many the manifest lists */
};

/* *ret_used says whether the dataset has, or had, a version of that id. */
int catalog_version_id_is_used(struct catalog *catalog, const char *dataset, const char *id,
                               bool *ret_used);

/* Inserts it uncommitted: `ref` and all below `parent` are not looked at. -EEXIST when the id was
 * ever used, or another row has the image. */
int catalog_version_insert(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_belongings *belongings,
                           const struct catalog_change *change);

/* Inserts a version that the catalog lost as it is here, also a committed one: then `sequence`,
 * `digest` and all that goes with them are taken as they are. A dataset of which nothing is known
 * but its id is made, and named after that. -EEXIST when another version has the id, the sequence
 * number or the image. */
int catalog_version_adopt(struct catalog *catalog, const struct catalog_version *version,
                          const struct catalog_change *change);

/* By the ids of dataset and version. -ENOENT. */
int catalog_version_find(struct catalog *catalog, const char *dataset, const char *id,
                         struct catalog_version *ret_version);

/* The version whose content the image is; -ENOENT, with no line, when it is none's. */
int catalog_version_of_image(struct catalog *catalog, uint64_t image,
                             struct catalog_version *ret_version);

/* What stands in a ref: `which` is a version's id, a tag, ~N, "latest", or "" for the latest.
 * -EINVAL: no such form; -ENOENT: the dataset, tag or version is not there, or nothing is committed
 * yet. */
int catalog_version_resolve(struct catalog *catalog, const char *team, const char *name_or_id,
                            const char *which, struct catalog_version *ret_version);

/* All versions in the order of the ids of dataset and version, "" and "" to begin; -ENOENT, with no
 * line, after the last. */
int catalog_version_next(struct catalog *catalog, const char *after_dataset, const char *after_id,
                         struct catalog_version *ret_version);

/* Commits: takes class, digest, committer, committed, tree_image, manifest_image and files of
 * `version`, gives it the dataset's next sequence number. -EEXIST when it is committed already. */
int catalog_version_commit(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_change *change, int64_t *ret_sequence);

struct catalog_version_update {
    const char *message; /* NULL: stays */
    const struct catalog_setting *settings;
    size_t setting_count;
};
/* All of it or nothing. A key that is to be removed and is not there is -ENOENT. */
int catalog_version_update(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_version_update *update,
                           const struct catalog_change *change);

/* With its tags, metadata and holds. Its id and its sequence number are never used again. */
int catalog_version_delete(struct catalog *catalog, const struct catalog_version *version,
                           const struct catalog_change *change);

#endif
