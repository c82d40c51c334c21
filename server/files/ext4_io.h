/*
 * An ext4 file system on a target, by libext2fs: opening, closing, and what its error codes mean.
 *
 * libext2fs sees the target as an I/O manager of ours, through a page_buffer of
 * EXT4_BUFFER_BYTES. It prints nothing and touches nothing but the target.
 *
 * What an image holds is not to be trusted: whoever could write the image chose the bytes. Opening
 * checks what libext2fs believes unseen; who walks the file system after that must bound its work
 * by what the file system can hold (see ext4_runs.h), since extents and directories may lead in
 * circles.
 *
 * Threads: a file system belongs to one thread at a time; several may be open at once.
 */
#ifndef FILES_EXT4_IO_H
#define FILES_EXT4_IO_H

#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "files/page_buffer.h"
#include "files/target.h"

enum { EXT4_BUFFER_BYTES = 32 << 20 };

enum ext4_open_flags {
    EXT4_WRITE = 1,        /* to change it; refused where that is not safe, see below */
    EXT4_LEFT_UNCLEAN = 2, /* also one whose journal was not replayed: reads what is in place, which
                              may lack what was done last. Not together with EXT4_WRITE. */
};

/* Opens the ext4 (or ext3, ext2) file system at the target's start. `what` names it in messages and
 * is kept (a copy).
 *   -EMEDIUMTYPE  none is there
 *   -EUCLEAN      its journal has to be replayed first, or it is marked as having errors
 *   -EOPNOTSUPP   it uses features that libext2fs does not know, or does not keep true when files
 *                 change
 *   -EIO          damaged, or the target failed; or the target's own errno */
int ext4_open(const struct files_target *target, unsigned flags, const char *what,
              ext2_filsys *ret_fs);

/* Writes what was changed, into the target, and frees all of it, also when writing fails. Without
 * a change nothing is written. Takes NULL. */
int ext4_close(ext2_filsys fs);
/* Frees all of it and writes nothing more. The target holds a part of the changes: throw it away.
 * Takes NULL. */
void ext4_abandon(ext2_filsys fs);

/* Makes a 0-or-errno, with the line, of what libext2fs returned: for 0 that is 0. `doing` ends the
 * sentence "cannot ...": "list '/a/b'". An error of the target stays what it was. May be given a
 * plain errno too, as libext2fs passes those on. */
int ext4_result(ext2_filsys fs, errcode_t code, const char *doing, ...)
    __attribute__((format(printf, 3, 4)));

/* A file system contradicts itself: -EIO and "... is damaged: <words>; check it with e2fsck". */
int ext4_damaged(ext2_filsys fs, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What `what` was. */
const char *ext4_what(ext2_filsys fs);
/* The memory before the target, for those who write or read many blocks past libext2fs. */
struct page_buffer *ext4_buffer(ext2_filsys fs);

/* For those who make one: what ext2fs_initialize gets as its manager, between the two calls, on
 * this thread. */
io_manager ext4_manager_enter(const struct files_target *target);
/* After it; says what went wrong when no file system came of it: `code` as libext2fs returned. */
int ext4_manager_leave(errcode_t code, const char *what);

#endif
