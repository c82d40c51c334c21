/*
 * Committing versions of datasets, proving that they still are what was committed, and telling two
 * contents apart.
 *
 * A commit freezes a version at one point in time and gives it a digest: a SHA-256 over its
 * content, as DIGEST.md in server/digest says, that anyone can recompute from the bytes of an
 * export. Equal content has equal digests, on whatever store. From the freeze on every write to
 * the version fails with EPERM, also of clients that have it open. A commit costs what changed
 * since the version that it comes from.
 *
 * All of these may take long: they report with varve_progress and can be cancelled (-ECANCELED);
 * then nothing has changed, and an uncommitted version can be written again.
 *
 * What will hurt: a client that has the version mounted for writing while it is committed gets
 * errors from then on. Unmount and detach first.
 *
 * Errors: 0 or -errno with a line. -EINVAL no such form, -ENOENT, -EROFS, -EIO, -ENOSPC, -ENOMEM.
 * Threads: any, at once. None of these is called on a read, write or flush.
 */
#ifndef VARVE_COMMIT_H
#define VARVE_COMMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <varve/hold.h>

struct varve;

enum { VARVE_DIGEST_TEXT = 64, VARVE_CLASS_MAX = 15 };

enum varve_commit_flags {
    VARVE_COMMIT_ALLOW_DIRTY = 1,      /* also with a file system that was not left clean */
    VARVE_COMMIT_ALLOW_INCOMPLETE = 2, /* also when a write to it has failed */
};

struct varve_commit {
    char ref[VARVE_REF_MAX + 1]; /* in full and for good: [TEAM/]DATASET:ID */
    bool already;                /* it was committed before; the three counts are 0 then */
    int64_t sequence;            /* order of commits in its dataset, from 1 */
    int64_t committed;           /* seconds since 1970 */
    char committer[VARVE_ACTOR_MAX + 1];
    char digest[VARVE_DIGEST_TEXT + 1]; /* hexadecimal */
    char class[VARVE_CLASS_MAX + 1];    /* clean, dirty, unknown (a file system whose state cannot
                                           be told), raw (no file system) */
    uint64_t size;                      /* bytes */
    bool manifest;                      /* it has a list of its files: */
    uint64_t files;
    uint64_t leaves; /* pieces of 1 MiB that the digest is made of, the last may be shorter */
    uint64_t hashed; /* of them: read for this commit */
    uint64_t reused; /* taken over from the version that it comes from, holes among them */
};

/* Commits the version that `ref` names; one that is committed already is success, with `already`
 * set. -EBUSY: another commit of it runs, or a file system on it was not left clean (the line says
 * which and why), or a write to it has failed. -EINVAL when `ref` names no version of a dataset. */
int varve_version_commit(struct varve *varve, const char *ref, unsigned flags,
                         struct varve_commit *ret_commit);

enum varve_damage_kind {
    VARVE_DAMAGE_DIFFERS,    /* can be read, and is not what was committed */
    VARVE_DAMAGE_UNREADABLE, /* EIO: the bytes are lost, or not the ones that were written */
};
struct varve_damage {
    uint64_t offset, length; /* bytes of the version */
    enum varve_damage_kind kind;
};
struct varve_verification {
    char ref[VARVE_REF_MAX + 1];
    char digest[VARVE_DIGEST_TEXT + 1]; /* as it was committed */
    char found[VARVE_DIGEST_TEXT + 1];  /* of what is there now; "" when not all could be read */
    uint64_t size;
    uint64_t read;       /* bytes that were read; holes are not */
    uint64_t damages;    /* how many were told */
    uint64_t damaged;    /* bytes, the sum of them */
    bool record_damaged; /* the list of digests of its parts is not sound: where the content
                            differs cannot be told, but `found` tells whether it does */
    bool sound;          /* found is digest */
};

/* Reads the whole version again. Returns 0 when it came to the end, whatever it found, and calls
 * `visit` for each damaged range, in order; a nonzero return of that stops and is returned.
 * -EINVAL when the version is not committed: it has nothing to be compared with. */
typedef int (*varve_damage_visit)(void *opaque, const struct varve_damage *damage);
int varve_version_verify(struct varve *varve, const char *ref, varve_damage_visit visit,
                         void *opaque, struct varve_verification *ret_verification);

struct varve_changed_range {
    uint64_t offset, length; /* bytes; whole blocks of 4096 except at an end */
    bool hole;               /* reads as zeroes now, and takes no space */
};
enum varve_file_change {
    VARVE_FILE_ADDED,
    VARVE_FILE_REMOVED,
    VARVE_FILE_CHANGED,
    VARVE_FILE_RENAMED, /* the same bytes, above 0 of them, under a name that was not there */
};

struct varve_diff_visitor {
    /* Each may be NULL. A nonzero return stops and is returned. */
    int (*range)(void *opaque, const struct varve_changed_range *range);
    /* `old_path` only of a rename, else NULL */
    int (*file)(void *opaque, enum varve_file_change change, const char *path,
                const char *old_path);
    void *opaque;
};

struct varve_diff {
    char from[VARVE_REF_MAX + 1], to[VARVE_REF_MAX + 1]; /* in full */
    uint64_t from_size, to_size;                         /* bytes */
    uint64_t ranges;  /* how many, of neighbouring blocks that changed */
    uint64_t changed; /* bytes in them; what lies past the end of one and is no hole in the other
                         counts */
    bool files;       /* both have a list of files, and the counts say how they differ */
    uint64_t files_added, files_removed, files_changed, files_renamed;
    bool renames_skipped; /* so many files were added and removed that no renames were looked for */
};

/* What is different in `to`, seen from `from`: volumes, snapshots and versions, of the same size or
 * not. Blocks that the two do not share are read and compared, so that equal bytes are no change.
 * When one of them is being written meanwhile the answer is no picture of one moment. */
int varve_version_diff(struct varve *varve, const char *from, const char *to,
                       const struct varve_diff_visitor *visitor, struct varve_diff *ret_diff);

#endif
