/*
 * Tags of datasets: names that point at committed versions and can be moved, each with the history
 * of its moves. See catalog.h for what all of these functions have in common.
 */
#ifndef CATALOG_CATALOG_TAGS_H
#define CATALOG_CATALOG_TAGS_H

#include "catalog/catalog_versions.h"

enum { CATALOG_TAG_MAX = 128 };

/* 0, or -EINVAL with a line: a letter or digit, then letters, digits, '.', '_', '-', without two
 * dots in a row; not `latest`, and not of the form of a version's id. Pure. */
int catalog_tag_check(const char *name);

struct catalog_tag {
    char name[CATALOG_TAG_MAX + 1];
    char version[CATALOG_VERSION_ID + 1];
    int64_t time; /* of the last move, seconds since 1970 */
    char who[CATALOG_WHO_MAX + 1];
};

int catalog_tag_find(struct catalog *catalog, const char *dataset, const char *name,
                     struct catalog_tag *ret_tag);
/* In the order of names, "" to begin; -ENOENT, with no line, after the last. */
int catalog_tag_next(struct catalog *catalog, const char *dataset, const char *after,
                     struct catalog_tag *ret_tag);

/* A move. `expect` is the version that the tag must point at now: "" that it must not exist, NULL
 * that it does not matter. -ESTALE when it points elsewhere. A tag that points there already is
 * not touched. */
struct catalog_tag_move {
    const struct catalog_dataset *dataset;
    const char *name;
    const char *version; /* an id, committed; "" deletes the tag: -ENOENT when there is none */
    const char *expect;
};
/* The history's row is made here, since what it says depends on where the tag pointed. */
int catalog_tag_move(struct catalog *catalog, const struct catalog_tag_move *move, const char *who);

struct catalog_tag_event {
    int64_t number; /* order of the moves */
    int64_t time;
    char who[CATALOG_WHO_MAX + 1];
    char name[CATALOG_TAG_MAX + 1];
    char version[CATALOG_VERSION_ID + 1]; /* "" when it was deleted */
    char before[CATALOG_VERSION_ID + 1];  /* "" when it was new */
};
/* The first after `number`, of the tag or, with name "", of all tags of the dataset; -ENOENT, with
 * no line, after the last. */
int catalog_tag_event_next(struct catalog *catalog, const char *dataset, const char *name,
                           int64_t after, struct catalog_tag_event *ret_event);

#endif
