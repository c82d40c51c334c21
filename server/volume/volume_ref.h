/*
 * A ref: how a user names what can be attached. The one place that takes refs apart and says what
 * they name.
 *
 *     VOLUME               the volume; without a volume of that name, DATASET:latest
 *     VOLUME@SNAPSHOT      a snapshot of it
 *     [TEAM/]DATASET:WHICH a version: its id, a tag, `latest`, or ~N (the N-th before the latest;
 * ~0 is the latest). DATASET is a name or an id. REF..REF             what the second has that the
 * first has not
 *
 * No name holds "..", and a volume and a dataset without a team never have the same name, so that a
 * text names one thing only.
 */
#ifndef VOLUME_VOLUME_REF_H
#define VOLUME_VOLUME_REF_H

#include <stdbool.h>
#include <stdint.h>
#include <varve/volume.h>

struct catalog;
struct varve;

enum named { NAMED_VOLUME, NAMED_SNAPSHOT, NAMED_VERSION };

/* "volume", "snapshot", "version". */
const char *named_name(enum named kind);

enum { TAG_NAME_MAX = 128, REF_TEXT_MAX = 2 * VARVE_NAME_MAX + TAG_NAME_MAX + 2 };

struct volume_ref {
    enum named kind;               /* of a single name: NAMED_VOLUME */
    char team[VARVE_NAME_MAX + 1]; /* "" for none */
    char name[VARVE_NAME_MAX + 1]; /* of the volume or dataset, or the dataset's id */
    char which[TAG_NAME_MAX + 1];  /* the snapshot, or what stands behind the colon; else "" */
};

/* One ref, not a difference. -EINVAL with a line. Pure. */
int volume_ref_parse(const char *text, struct volume_ref *ret_ref);

/* The two refs of a difference; false when the text is none. Neither has been looked at. Pure. */
bool volume_ref_split(const char *text, char ret_from[REF_TEXT_MAX + 1],
                      char ret_to[REF_TEXT_MAX + 1]);

/* What a ref names now. */
struct resolved {
    enum named kind;
    uint64_t image;
    bool frozen;                /* a snapshot or a committed version */
    bool shared;                /* a volume that several may write */
    char ref[REF_TEXT_MAX + 1]; /* in full and for good: VOLUME, VOLUME@SNAPSHOT, TEAM/DATASET:ID */
    char dataset[16], version[8]; /* ids, of a version */
};

/* -EINVAL: no ref; -ENOENT: nothing of that name. Expects the names lock. */
int volume_ref_resolve_locked(struct varve *varve, struct catalog *catalog, const char *text,
                              struct resolved *ret_resolved);

#endif
