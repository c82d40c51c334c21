/*
 * Finding things in an ext4 file system: paths, names of a folder, targets of symbolic links.
 *
 * Everything stays inside the image: an absolute link begins at the image's root, and ".." of the
 * root is the root. No path of the host is ever looked at. Names are bytes, not text.
 */
#ifndef FILES_EXT4_PATH_H
#define FILES_EXT4_PATH_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    EXT4_PATH_MAX = 4096,   /* bytes of a path, with its zero */
    EXT4_LINKS_MAX = 40,    /* symbolic links that one path may lead through, as the kernel */
    EXT4_INODE_SIZE = 4096, /* the largest inode that may be */
};

/* Where a path leads. */
struct ext4_place {
    ext2_ino_t inode;             /* 0: not there */
    ext2_ino_t folder;            /* that holds it; of the root: itself */
    char name[EXT2_NAME_LEN + 1]; /* in the folder; "" for the root */
};

enum ext4_path_flags {
    EXT4_FOLLOW = 1,  /* a link at the end leads on */
    EXT4_MISSING = 2, /* the last name need not be there */
};

/* Blanks at the start of `path` are no root: "a/b" and "/a/b" are the same. -ENOENT, -ENOTDIR,
 * -ELOOP, -ENAMETOOLONG, -EIO. */
int ext4_path_find(ext2_filsys fs, const char *path, unsigned flags, struct ext4_place *ret_place);

/* Reads an inode, its times and high bits included, however large inodes are there. */
int ext4_inode_read(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *ret_inode);

/* A link's target, in new memory. */
int ext4_link_read(ext2_filsys fs, ext2_ino_t number, struct ext2_inode_large *inode,
                   char **ret_target);

/* The names of a folder but "." and "..", in the order of their bytes. */
struct ext4_name {
    const char *name; /* terminated */
    ext2_ino_t inode;
    uint8_t type; /* EXT2_FT_..., as the folder says it */
};
struct ext4_names {
    struct ext4_name *list;
    size_t count;
    char *bytes;
    size_t used, room, list_room;
    bool failed;
    const char *damage;
};
int ext4_names_read(ext2_filsys fs, ext2_ino_t folder, struct ext4_names *ret_names);
void ext4_names_release(struct ext4_names *names);

#endif
