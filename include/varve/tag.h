/*
 * Tags of datasets: names that point at committed versions and can be moved. Each move is kept. A
 * tag starts with a letter or digit, holds [A-Za-z0-9._-] without two dots in a row, at most
 * VARVE_TAG_MAX of them, never has a version id's form, and is never `latest`.
 *
 * Each function is atomic. Errors: -EINVAL no such form, -ENOENT, -EPERM the version is not
 * committed, -ESTALE the tag is not where it was expected to be, -EROFS, -ENOSPC, -EIO, -ENOMEM.
 *
 * Threads: any, at once. None of these is called on a read, write or flush.
 */
#ifndef VARVE_TAG_H
#define VARVE_TAG_H

#include <varve/dataset.h>

enum { VARVE_TAG_MAX = 128 };

struct varve_tag {
    char ref[VARVE_REF_MAX + 1]; /* TEAM/NAME:TAG */
    char name[VARVE_TAG_MAX + 1];
    char version[VARVE_VERSION_ID + 1];
    int64_t time; /* of the last move, seconds since 1970, for people */
    char who[VARVE_ACTOR_MAX + 1];
};

/* Points the tag `name` of the version's dataset at the version `ref`; a tag that points there
 * already stays as it is. `expect` is where it must point now: a version's id, "" for a tag that
 * must not exist, NULL when it does not matter. `ret_tag` may be NULL. */
int varve_tag_set(struct varve *varve, const char *ref, const char *name, const char *expect,
                  struct varve_tag *ret_tag);

/* `ret_tag` may be NULL: what it was. */
int varve_tag_delete(struct varve *varve, const char *dataset, const char *name, const char *expect,
                     struct varve_tag *ret_tag);

/* Calls `visit` for each tag of the dataset, in the order of names; a nonzero return of it stops
 * and is returned. */
typedef int (*varve_tag_visit)(void *opaque, const struct varve_tag *tag);
int varve_tag_list(struct varve *varve, const char *dataset, varve_tag_visit visit, void *opaque);

struct varve_tag_event {
    int64_t number; /* order of the moves */
    int64_t time;   /* seconds since 1970, for people */
    char who[VARVE_ACTOR_MAX + 1];
    char name[VARVE_TAG_MAX + 1];
    char version[VARVE_VERSION_ID + 1]; /* "" when it was deleted */
    char before[VARVE_VERSION_ID + 1];  /* "" when it was new */
};
/* Calls `visit` for each move of the tag (NULL: of all tags of the dataset), oldest first; a
 * nonzero return of it stops and is returned. -ENOENT when there never was such a tag. */
typedef int (*varve_tag_event_visit)(void *opaque, const struct varve_tag_event *event);
int varve_tag_history(struct varve *varve, const char *dataset, const char *name,
                      varve_tag_event_visit visit, void *opaque);

#endif
