/* One put, as the files that make it up see it. */
#ifndef FILES_EXT4_UNPACK_INTERNAL_H
#define FILES_EXT4_UNPACK_INTERNAL_H

#include <archive.h>
#include <archive_entry.h>
#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "files/ext4_writer.h"
#include "files/put_names.h"
#include "files/tree.h"

enum {
    UNPACK_PATH_MAX = 4096,  /* bytes of the target's path and an entry's together */
    UNPACK_GATHER = 1 << 20, /* bytes of content that are written together */
};

/* Content of the file at hand that was not written yet: from byte `at`, a block's start, on. */
struct unpack_gather {
    uint64_t at;
    size_t fill;
    uint64_t end; /* of what came so far, in the file */
    unsigned char *bytes;
    ext2_file_t file; /* where libext2fs places the blocks */
};

struct unpacking {
    ext2_filsys fs;
    struct archive *archive;
    struct archive_entry *entry;
    const char *path; /* of the entry at hand, for messages; NULL between two */

    varve_file_source source;
    void *opaque;
    int failed; /* of the source */
    char *piece;

    struct put_names names;
    struct ext4_writer *writer; /* NULL: libext2fs places the blocks */
    struct ext4_layout layout;  /* of the file at hand */
    struct unpack_gather gather;

    const char *target; /* as the user gave it */
    bool begun;         /* into is known */
    ext2_ino_t into;    /* the folder that all goes into */
    bool only;          /* one file, under this name */
    char only_name[EXT2_NAME_LEN + 1];

    struct timespec now;
    struct files_changed changed; /* what came */
    bool kept_file;               /* changed.path is a file's */
};

/* Where an entry goes: the name "" is the folder itself. */
struct unpack_spot {
    struct put_folder *folder;
    char name[EXT2_NAME_LEN + 1];
};

/* --- ext4_unpack_place.c --- */

/* Finds what the target's path means for an archive that begins with a folder, or not. */
int unpack_begin(struct unpacking *unpacking, bool folder);
/* Goes from a folder into one that it holds, or that is made there. */
int unpack_go_into(struct unpacking *unpacking, struct put_folder *folder, const char *name,
                   bool make, struct put_folder **ret_folder);
/* The place of a path of the archive; folders on the way are made, or with `make` false have to be
 * there. */
int unpack_find(struct unpacking *unpacking, const char *path, bool make,
                struct unpack_spot *ret_spot);

/* --- ext4_unpack_inode.c --- */

/* A folder below `parent` with its usual attributes. */
int unpack_make_folder(struct unpacking *unpacking, struct put_folder *parent, const char *name,
                       struct put_folder **ret_folder);
/* Gives a folder that this put made the attributes of the entry at hand. */
int unpack_dress_folder(struct unpacking *unpacking, ext2_ino_t number);
/* Makes what the entry at hand is, but no folder, and frees what stood there. */
int unpack_make_file(struct unpacking *unpacking, const struct unpack_spot *spot);
/* One more name for a file. */
int unpack_link(struct unpacking *unpacking, const struct unpack_spot *spot, ext2_ino_t number);

/* The bytes of an inode, with what an inode of this file system has behind the known fields. */
union unpack_inode {
    struct ext2_inode_large large;
    struct ext2_inode small;
    unsigned char bytes[4096];
};
int unpack_inode_write(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode);

/* --- ext4_unpack_content.c --- */

/* The content of the entry at hand, into its inode, which was written; and writes it again. */
int unpack_content(struct unpacking *unpacking, ext2_ino_t number, union unpack_inode *inode);
/* What the archive's library or its source has to say. */
int unpack_failed(const struct unpacking *unpacking);

/* --- ext4_unpack_attributes.c --- */

/* Extended attributes of the entry at hand, for an inode that was written. */
int unpack_attributes(struct unpacking *unpacking, ext2_ino_t number);

/* --- ext4_unpack_folders.c --- */

/* Writes the folders that changed. */
int unpack_folders(struct unpacking *unpacking);

#endif
