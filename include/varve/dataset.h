/*
 * Datasets and their versions. A dataset is a named series of versions; a version is an image that
 * is written until it is committed, and never changes from then on. Tags that point at versions are
 * in tag.h.
 *
 * A dataset is named by its name, TEAM/NAME, or its id (`ds` and 13 of [0-9a-z]), which stays the
 * same when it is renamed. A version is named DATASET:WHICH, where WHICH is its id (a digit and 6
 * of [0-9a-z]), a tag, `latest` or ~N; a bare DATASET names the latest. The latest is the version
 * that was committed last, whenever it was created. Ids are drawn at random and never used again.
 *
 * An uncommitted version is a disk like a volume: it can be attached and written, is never the
 * latest, and stays until it is deleted. Of a committed one content, digest, parent and sequence
 * number never change; message, tags and metadata may, and the history keeps each change.
 *
 * A version depends on no other: each can be deleted, in any order.
 *
 * What will hurt: a volume and a dataset without a team never have the same name. Names are checked
 * in both directions when something is made or renamed.
 *
 * Each function is atomic: after a failure nothing has changed. Errors: -EINVAL no such form,
 * -ENOENT, -EEXIST, -EBUSY attached, held or tagged (the line says by whom), -EPERM of a committed
 * or uncommitted version, -EROFS opened read-only, -ENOSPC, -EIO, -ENOMEM.
 *
 * Threads: any, at once. None of these is called on a read, write or flush.
 */
#ifndef VARVE_DATASET_H
#define VARVE_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <varve/commit.h>
#include <varve/hold.h>
#include <varve/server.h>
#include <varve/snapshot.h>
#include <varve/volume.h>

enum {
    VARVE_DATASET_ID = 15,
    VARVE_VERSION_ID = 7,
    VARVE_DATASET_NAME_MAX = 2 * VARVE_NAME_MAX + 1, /* TEAM/NAME */
    VARVE_KEY_MAX = 128,                             /* of [A-Za-z0-9._/:-] */
    VARVE_VALUE_MAX = 4095,                          /* bytes */
};

/* --- metadata -------------------------------------------------------------------------------- */

/* A key with its value; with value NULL it is to be removed, and -ENOENT if it is not there. Of two
 * settings of one key the later one counts. */
struct varve_setting {
    const char *key;
    const char *value;
};
struct varve_settings {
    const struct varve_setting *settings; /* count of them */
    size_t count;
};

/* Calls `visit` for each key of a dataset or of a version, in the order of keys; a nonzero return
 * of it stops and is returned. `ref` names a version when it has a colon, else a dataset. */
typedef int (*varve_metadata_visit)(void *opaque, const char *key, const char *value);
int varve_metadata_list(struct varve *varve, const char *ref, varve_metadata_visit visit,
                        void *opaque);

/* --- datasets -------------------------------------------------------------------------------- */

struct varve_dataset {
    char id[VARVE_DATASET_ID + 1];
    char team[VARVE_NAME_MAX + 1];              /* "" for none */
    char name[VARVE_NAME_MAX + 1];              /* in the team */
    char full_name[VARVE_DATASET_NAME_MAX + 1]; /* TEAM/NAME, or NAME */
    char description[VARVE_MESSAGE_MAX + 1];
    uint64_t size;   /* bytes of a new version that is empty; 0: has to be said each time */
    int64_t created; /* seconds since 1970, for people */
    char who[VARVE_ACTOR_MAX + 1];
    unsigned versions;    /* committed */
    unsigned uncommitted; /* versions that are not */
    unsigned tags;
    char latest[VARVE_VERSION_ID + 1]; /* "" before the first commit */
    uint64_t mapped_bytes;             /* sum over the versions of the bytes they map: shared ones
                                          count each time */
};

struct varve_dataset_options {
    const char *name;        /* NAME or TEAM/NAME */
    const char *description; /* or NULL */
    uint64_t size;           /* of new versions that are empty; 0: not said */
    struct varve_settings settings;
};
/* `ret_dataset` may be NULL. */
int varve_dataset_create(struct varve *varve, const struct varve_dataset_options *options,
                         struct varve_dataset *ret_dataset);

int varve_dataset_show(struct varve *varve, const char *dataset, struct varve_dataset *ret_dataset);

/* Calls `visit` for each dataset in the order of teams and names; a nonzero return of it stops and
 * is returned. */
typedef int (*varve_dataset_visit)(void *opaque, const struct varve_dataset *dataset);
int varve_dataset_list(struct varve *varve, varve_dataset_visit visit, void *opaque);

/* What is to change; NULL members stay as they are. The team cannot change. */
struct varve_dataset_update {
    const char *name; /* in its team */
    const char *description;
    const uint64_t *size;
    struct varve_settings settings;
};
int varve_dataset_update(struct varve *varve, const char *dataset,
                         const struct varve_dataset_update *update,
                         struct varve_dataset *ret_dataset);

/* Deletes also what is attached or tagged; never what is held. */
enum varve_delete_flags { VARVE_DELETE_FORCE = 1 };

/* With its versions and tags. -EBUSY while one of the versions is held, or attached and not forced:
 * see varve_version_delete. `ret_dataset` may be NULL: what it was. */
int varve_dataset_delete(struct varve *varve, const char *dataset, unsigned flags,
                         struct varve_dataset *ret_dataset);

/* --- versions -------------------------------------------------------------------------------- */

struct varve_version {
    char ref[VARVE_REF_MAX + 1]; /* TEAM/NAME:ID */
    char dataset[VARVE_DATASET_ID + 1];
    char dataset_name[VARVE_DATASET_NAME_MAX + 1];
    char id[VARVE_VERSION_ID + 1];
    uint64_t image;        /* number in the store */
    uint64_t size;         /* bytes */
    uint64_t mapped_bytes; /* bytes that hold data, shared with others or not */
    int64_t created;       /* seconds since 1970, for people; order never comes from it */
    char who[VARVE_ACTOR_MAX + 1];
    char message[VARVE_MESSAGE_MAX + 1];
    char parent[VARVE_REF_MAX + 1]; /* what it was cloned from, as it is called now; one that is
                                       gone as it was; "" for nothing */
    bool parent_gone;
    bool latest;
    unsigned tags;        /* how many point at it */
    unsigned holds;       /* reasons to keep it */
    unsigned connections; /* open exports of it now */
    char writer[VARVE_HOLDER_MAX];
    bool incomplete; /* uncommitted: an import of it has not come to its end, or a write to it was
                        refused or failed; a commit says so */
    bool damaged;    /* the catalog names an image that the store does not have: can only be shown
                        and deleted; size and mapped_bytes are 0 */

    /* From here on 0 or "" until it is committed. */
    int64_t
        sequence; /* order of commits in the dataset, from 1, with gaps where some were deleted */
    int64_t committed; /* seconds since 1970, for people */
    char committer[VARVE_ACTOR_MAX + 1];
    char digest[VARVE_DIGEST_TEXT + 1];
    char class[VARVE_CLASS_MAX + 1]; /* as found at the commit: clean, dirty, unknown, raw */
    bool has_manifest;
    uint64_t files; /* how many the manifest lists; 0: not known, as the root is one */
};

struct varve_version_options {
    const char *from; /* any ref: the new version begins as a clone of it, at once; NULL: empty */
    uint64_t size;    /* bytes; 0: that of `from`, or what the dataset says. A clone can be made
                         larger, and not smaller */
    const char *message;       /* or NULL */
    const char *hold;          /* why it must not be deleted, or NULL */
    const char *source;        /* for the history: whose files it gets; NULL: nobody's */
    const char *imported_from; /* for the history: the image file whose content a client writes to
                                  it next, or NULL; not with `from`. It is incomplete until
                                  varve_version_imported */
    struct varve_settings settings;
};
/* Makes an uncommitted version in `dataset`, which names a dataset alone. */
int varve_version_create(struct varve *varve, const char *dataset,
                         const struct varve_version_options *options,
                         struct varve_version *ret_version);

int varve_version_show(struct varve *varve, const char *ref, struct varve_version *ret_version);

/* `all`: the uncommitted too, before the committed ones. Newest first: by sequence number, the
 * uncommitted by the time of their making. */
typedef int (*varve_version_visit)(void *opaque, const struct varve_version *version);
int varve_version_list(struct varve *varve, const char *dataset, bool all,
                       varve_version_visit visit, void *opaque);

struct varve_version_update {
    const char *message; /* NULL: stays */
    struct varve_settings settings;
};
int varve_version_update(struct varve *varve, const char *ref,
                         const struct varve_version_update *update,
                         struct varve_version *ret_version);

/* The space that nothing else uses comes back in the background. -EBUSY while it is held; also
 * while it is attached or tagged, unless forced: its tags then go with it, a client that has it
 * open keeps what it reads until it goes, and cannot write any more. `ref` has to say which
 * version: a bare dataset is refused. `ret_version` may be NULL: what it was. */
int varve_version_delete(struct varve *varve, const char *ref, unsigned flags,
                         struct varve_version *ret_version);

/* Takes an uncommitted version away from the client that writes to it, as varve_volume_release
 * does. -EPERM for a committed one, to which nobody writes. */
int varve_version_release(struct varve *varve, const char *ref, bool force);

#endif
