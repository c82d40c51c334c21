/*
 * Files inside what a ref names, if it holds an ext4 file system: read and changed in this process,
 * without a mount. Any ref can be listed; only versions that are not committed can be changed.
 *
 * Paths are bytes and lead from the root of that file system; its symbolic links are followed
 * inside it and never leave it.
 *
 * What will hurt: what is being written by a client is read while it changes. A file system that
 * was not unmounted is refused (-EUCLEAN), since its newest files may still lie in its journal.
 *
 * Errors: 0 or -errno with a line. -ENOENT no such ref or path, -EMEDIUMTYPE no ext4 there,
 * -EUCLEAN, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EIO damage, -EOPNOTSUPP a feature that libext2fs does
 * not know, -ECANCELED (varve_progress), -ENOMEM.
 *
 * Threads: any, at once.
 */
#ifndef VARVE_FILE_TREE_H
#define VARVE_FILE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct varve;

/* Valid while it is shown. */
struct varve_file {
    const char *path;                      /* below what was asked for, without a slash in front */
    uint32_t inode, mode, uid, gid, links; /* mode: type and permissions, as stat has it */
    uint64_t size;                         /* bytes */
    int64_t mtime;                         /* seconds since 1970 */
    uint32_t mtime_nanoseconds;
    const char *target; /* of a symbolic link, else NULL */
};

/* Calls `visit` for what `path` names, if it is no folder; else for what is in the folder, with
 * `recursive` all the way down: folders before what is in them, names in the order of their bytes.
 * Links are shown and not followed, but for one that is the path itself. A nonzero return of
 * `visit` stops and is returned. */
typedef int (*varve_file_visit)(void *opaque, const struct varve_file *file);
int varve_file_list(struct varve *varve, const char *ref, const char *path, bool recursive,
                    varve_file_visit visit, void *opaque);

/* Gives the file, or the folder with all that is in it, to `sink` as a tar archive (pax) piece by
 * piece: owners, permissions, times, links, devices, extended attributes and ACLs, and holes stay.
 * Names are bytes. An entry's path begins with the last name of `path`; of the root, or with a
 * slash at the end of `path`, what is in the folder is given, and the folder itself as ".". A
 * symbolic link is followed only on the way, or with a slash at the end. Left out are sockets, and
 * the root's lost+found while it is empty. A negative return of `sink` stops and is returned. */
typedef int (*varve_file_sink)(void *opaque, const void *bytes, size_t length);
int varve_file_get(struct varve *varve, const char *ref, const char *path, varve_file_sink sink,
                   void *opaque);

/* Puts the files of a tar archive (pax, GNU or ustar; not compressed) into a version that is not
 * committed and that nobody has attached (-EPERM, -EBUSY). All of it or nothing: also when the
 * archive breaks off, is damaged, or finds no room (-ENOSPC). `source` gives the archive piece by
 * piece, at most `room` bytes at a time: how many it gave, 0 at the end, or -errno with a line,
 * with which the put then fails. It is read to its end.
 *
 * Where to: into the folder `path`, which is made if it is missing, and so is what is missing on
 * the way to it. When the archive begins with no folder, and `path` names none and has no slash at
 * its end, then the only file of the archive gets that name.
 *
 * Owners, permissions, times, links, devices, holes, extended attributes and ACLs (as extended
 * attributes) are kept. A folder that is there is merged and stays as it is, a file that is there
 * is replaced: -EISDIR where a file would replace a folder, -ENOTDIR for the reverse. Paths in the
 * archive lead below `path`, through no symbolic link; -EINVAL for an absolute one or "..".
 * *ret_count gets how many names came. */
typedef ssize_t (*varve_file_source)(void *opaque, void *bytes, size_t room);
int varve_file_put(struct varve *varve, const char *ref, const char *path, varve_file_source source,
                   void *opaque, uint64_t *ret_count);

/* Deletes the file, or the folder with all that is in it, in a version that is not committed and
 * that nobody has attached (-EPERM, -EBUSY). All of it or nothing. *ret_count gets how many names
 * went. -EINVAL for the root. */
int varve_file_delete(struct varve *varve, const char *ref, const char *path, uint64_t *ret_count);

#endif
