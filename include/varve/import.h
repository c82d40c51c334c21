/*
 * Files of this machine become a version of a dataset: an ext4 file system is made inside it, in
 * this process, without a mount and without a temporary image.
 *
 * Owners, modes, times, links of both kinds, devices, holes, extended attributes and ACLs are kept.
 * What ext4 cannot hold is an error, never left out. So is a file that changes, or goes, while it
 * is read.
 *
 * What will hurt: the sources are read by this process, with its rights, on its machine. A server
 * reads what its own user may read, not what the client's may.
 */
#ifndef VARVE_IMPORT_H
#define VARVE_IMPORT_H

#include <stddef.h>
#include <varve/dataset.h>

enum { VARVE_IMPORT_SOURCES_MAX = 256 };

struct varve_import_options {
    struct varve_version_options version; /* `from` is NULL; size 0: to fit, with a quarter more */
    const char *const *sources; /* absolute paths; as rsync has it, FOLDER/ is what is in it and
                                   FOLDER becomes an entry of the root */
    size_t source_count;        /* from 1 */
};

/* Makes an uncommitted version in `dataset` that holds the files. Reports with varve_progress
 * ("list", "import") and can be cancelled. After a failure the version is gone; when this process
 * dies meanwhile, what is left of it counts as incomplete, and a commit refuses it.
 *
 * -EINVAL, -ENOENT and what reading a source said, with its path; -EBUSY: a file changed; -EEXIST:
 * two sources bring the same name; -ENOSPC: `size` is too small (the line says which is not), or
 * the store is full; -EOPNOTSUPP: an attribute that ext4 cannot hold. */
int varve_version_import(struct varve *varve, const char *dataset,
                         const struct varve_import_options *options,
                         struct varve_version *ret_version);

/* All of the image file `file`, of which the version was made (imported_from), is in it: it is
 * complete, and the history says so. `file` is the client's, and no more than words to this
 * process. -EPERM when it is committed. */
int varve_version_imported(struct varve *varve, const char *ref, const char *file);

#endif
