/*
 * The names of the folders that a put has to do with, in memory: those that stand on the file
 * system and those that are new. A folder is written once, at the end; until then only this knows
 * what is in it. Some 100 bytes for each name.
 */
#ifndef FILES_PUT_NAMES_H
#define FILES_PUT_NAMES_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stddef.h>

struct put_name {
    const char *name;      /* its `bytes` */
    struct put_name *next; /* of the folder, in no order */
    ext2_ino_t inode;
    uint8_t type; /* EXT2_FT_... */
    bool stands;  /* in the folder's blocks, perhaps with another inode */
    bool changed; /* new, or with another inode than there */
    uint8_t length;
    char bytes[];
};

struct put_folder {
    struct put_folder *next; /* in the order in which they came up */
    ext2_ino_t inode;
    ext2_ino_t parent; /* of one that is new */
    bool made;         /* by this put */
    bool written;      /* with all its names */
    struct put_name *names;
    size_t count;   /* of names */
    size_t changed; /* of them */
    size_t added;   /* of them: do not stand in its blocks */
    size_t folders; /* of those added: folders */
    void *tree;     /* of the names, by name */
};

struct put_names {
    struct put_folder *first, **end;
    void *tree; /* of the folders, by inode */
};

void put_names_begin(struct put_names *names);
void put_names_release(struct put_names *names);

/* The folder, with the names that stand in it. */
int put_names_folder(struct put_names *names, ext2_filsys fs, ext2_ino_t inode,
                     struct put_folder **ret_folder);
/* One that is new and empty. */
int put_names_made(struct put_names *names, ext2_ino_t inode, ext2_ino_t parent,
                   struct put_folder **ret_folder);

/* NULL: there is none. */
struct put_name *put_folder_find(const struct put_folder *folder, const char *name);
/* The name leads to the inode from now on. */
int put_folder_set(struct put_folder *folder, const char *name, ext2_ino_t inode, uint8_t type);

#endif
