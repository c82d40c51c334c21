/*
 * A tree of files of this machine, as it is before its content is read: every name with what lstat
 * says, in memory (some 200 bytes for each), so that a file system can be sized before it is made
 * and what changes meanwhile is noticed.
 *
 * Entry 0 is the root. The entries of a directory stand next to each other, sorted by name, behind
 * the directory's own.
 */
#ifndef FILES_SOURCE_TREE_H
#define FILES_SOURCE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "files/ext4_make.h"

enum { SOURCE_PATH_MAX = 4096 };

struct source_entry {
    struct stat stat;
    size_t name; /* where it begins in `names`; its NUL ends it */
    uint32_t parent;
    uint32_t source;       /* which of the sources it comes from */
    uint32_t first, count; /* of a directory: its entries */
    uint32_t same;         /* the first entry that is the same file (a hard link), or its own */
    uint32_t links;        /* of that first entry: names in the tree */
    uint32_t inode;        /* for who makes the file system */
    bool attributes;       /* it has extended attributes or ACLs */
};

struct source_tree {
    const char *const *sources;
    size_t source_count;
    struct source_entry *entries;
    size_t count, room;
    char *names;
    size_t names_length, names_room;
    struct ext4_need need;
    uint64_t file_bytes; /* of content, for progress */
};

/* Reads the tree of all sources, as rsync would: FOLDER/ is its content, FOLDER itself becomes an
 * entry of the root; one FOLDER/ alone gives the root its owner, mode and times. -ENOENT, -EACCES
 * and the like name the path; -EEXIST: two sources bring the same name; -ECANCELED. The texts of
 * `sources` must stay. */
int source_tree_read(const char *const *sources, size_t count, struct source_tree *ret_tree);
void source_tree_free(struct source_tree *tree);

const char *source_name(const struct source_tree *tree, uint32_t entry);
/* Where it is on this machine. -ENAMETOOLONG. */
int source_path(const struct source_tree *tree, uint32_t entry, char ret_path[SOURCE_PATH_MAX]);

#endif
