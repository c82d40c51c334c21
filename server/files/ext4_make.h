/*
 * Makes an empty ext4 file system on a target, with the features that mke2fs gives one on Debian
 * 12: extents, 64bit, metadata_csum, dir_index, flex_bg, a journal, a resize inode.
 *
 * The whole target is made zero first, so that neither inode tables nor the journal have to be
 * written: on a thin image they cost nothing, and the kernel has nothing to initialize later.
 */
#ifndef FILES_EXT4_MAKE_H
#define FILES_EXT4_MAKE_H

#include "files/ext4_io.h"

/* A smaller target is refused. */
#define EXT4_SIZE_MIN ((uint64_t)8 << 20)

/* What the file system will have to hold, beside what it needs itself. */
struct ext4_need {
    uint64_t inodes; /* files and directories of all kinds */
    uint64_t bytes;  /* in whole blocks of 4096: content, directories, attributes */
};

/* Bytes of a target that holds `need` and a quarter more: a multiple of 1 MiB. -EFBIG where ext4
 * ends. */
int ext4_size_for(const struct ext4_need *need, uint64_t *ret_size);

/* Makes one of the target's whole size, and leaves it open to be filled: ext4_close writes it.
 * `label` is cut to 16 bytes. -ENOSPC where the target is too small for `need`; the line says what
 * size it takes. */
int ext4_make(const struct files_target *target, const char *label, const struct ext4_need *need,
              const char *what, ext2_filsys *ret_fs);

#endif
