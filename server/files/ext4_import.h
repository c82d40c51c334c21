/*
 * Fills an ext4 file system that was just made (ext4_make) with a tree of this machine: owners,
 * modes, times, links of both kinds, devices, holes, extended attributes and ACLs.
 */
#ifndef FILES_EXT4_IMPORT_H
#define FILES_EXT4_IMPORT_H

#include "files/source_tree.h"

/* All of the tree or an error, which names the path: -EBUSY where a file is not what it was when
 * the tree was read. Then the file system is half filled: ext4_abandon it. Sets the inodes of the
 * tree's entries. Reports progress; -ECANCELED. */
int ext4_import(ext2_filsys fs, struct source_tree *tree);

/* Reads the sources, makes a file system on the target's whole size, fills and closes it. For a
 * target whose size is free, source_tree_read and ext4_size_for come first. */
int ext4_import_tree(const struct files_target *target, const char *label, struct source_tree *tree,
                     const char *what);

#endif
