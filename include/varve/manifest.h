/*
 * The manifest of a committed version: the list of its files, made at the commit and kept for good
 * as the content is. Reading it costs the same however large the files are.
 *
 * Errors: 0 or -errno with a line. -EINVAL `ref` names no committed version, -ENOENT no such
 * version or path, -EMEDIUMTYPE the version has no manifest (its content is no clean ext4 file
 * system), -EIO, -ECANCELED (varve_progress), -ENOMEM.
 *
 * Threads: any, at once.
 */
#ifndef VARVE_MANIFEST_H
#define VARVE_MANIFEST_H

#include <stdint.h>
#include <varve/commit.h>
#include <varve/hold.h>

struct varve;

struct varve_manifest {
    char ref[VARVE_REF_MAX + 1];        /* in full: [TEAM/]DATASET:ID */
    char digest[VARVE_DIGEST_TEXT + 1]; /* of the version, hexadecimal */
    uint64_t files;                     /* how many it lists, whatever path is asked for */
};

/* Valid while it is shown. */
struct varve_manifest_file {
    const char *path; /* bytes, from the root, without a slash in front */
    char type;        /* f file, d folder, l link, b and c devices, p pipe, s socket */
    uint32_t mode;    /* the permissions and the bits above them, 07777 */
    uint32_t uid, gid;
    uint64_t size; /* bytes */
    int64_t mtime; /* seconds since 1970 */
    const char
        *digest; /* of a file, as server/digest/DIGEST.md has it of a disk of its bytes; else "" */
    const char *target; /* of a link where it leads, of a device MAJOR:MINOR; else "" */
};

/* Each may be NULL. A nonzero return stops and is returned. */
struct varve_manifest_visitor {
    int (*begin)(void *opaque, const struct varve_manifest *manifest); /* before the first file */
    int (*file)(void *opaque, const struct varve_manifest_file *file);
    void *opaque;
};

/* Shows what `path` names and, if that is a folder, all that is in it; NULL, "" or "/" is all. A
 * folder comes before what is in it, names in the order of their bytes. Links are not followed. The
 * manifest is read piece by piece: memory does not grow with it. */
int varve_version_manifest(struct varve *varve, const char *ref, const char *path,
                           const struct varve_manifest_visitor *visitor);

#endif
