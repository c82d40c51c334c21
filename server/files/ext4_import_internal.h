/* One import, as the files that make it up see it. */
#ifndef FILES_EXT4_IMPORT_INTERNAL_H
#define FILES_EXT4_IMPORT_INTERNAL_H

#include "files/ext4_directory.h"
#include "files/source_tree.h"

struct importing {
    ext2_filsys fs;
    struct source_tree *tree;
    struct ext4_writer *writer;
    struct ext4_layout layout; /* of the file at hand */
    struct ext4_entry *names;  /* of the directory at hand */
    size_t name_room;
    uint64_t bytes; /* read so far */
    char path[SOURCE_PATH_MAX];
};

/* The content of the regular file at importing->path into layout. */
int import_content(struct importing *importing, const struct source_entry *entry);
/* Extended attributes and ACLs of what stands at importing->path; its inode was written. */
int import_attributes(struct importing *importing, ext2_ino_t number);
/* 0 when what stands there is what it was, else -EBUSY. A link in place of a folder is followed:
 * the root may be given by one. */
int import_check(const char *path, const struct stat *was);
/* -EBUSY with a line. */
int import_changed(const char *path);

#endif
