/*
 * Where on a target the content of each file lies: for who reads, hashes or compares it there.
 *
 * Only a file system that was left clean is walked. A damaged one ends with -EIO: its files
 * together never take more blocks than it has, so the walk ends whatever it holds.
 */
#ifndef FILES_CONTENTS_H
#define FILES_CONTENTS_H

#include <varve/file_tree.h>

#include "files/target.h"

/* What tells one state of a file from another, beside struct varve_file. */
struct contents_stamp {
    uint32_t generation;
    int64_t ctime; /* seconds since 1970 */
    uint32_t ctime_nanoseconds;
    uint32_t device_major, device_minor; /* of a device node */
};

struct contents_visitor {
    void *opaque;
    /* Each entry, in the order of varve_file_list; valid until `end`. */
    int (*file)(void *opaque, const struct varve_file *file, const struct contents_stamp *stamp);
    /* Of regular files: what is not zeroes, in bytes, in the order of the file, apart. The last one
     * may reach past the file's end. */
    int (*run)(void *opaque, uint64_t logical, uint64_t physical, uint64_t length);
    /* Content that lies inside the inode: all of it. */
    int (*bytes)(void *opaque, const void *bytes, size_t length);
    int (*end)(void *opaque);
};

/* A nonzero return of one of the visitor's functions stops and is returned. -EMEDIUMTYPE,
 * -EUCLEAN, -EOPNOTSUPP, -EIO, -ECANCELED as in varve/file_tree.h. */
int contents_walk(const struct files_target *target, const char *what,
                  const struct contents_visitor *visitor);

#endif
