/* An image file that is to be read: what format it has and how large its disk is. */
#ifndef TOOLS_IMAGE_FILE_H
#define TOOLS_IMAGE_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "image_copy.h"

struct image_file {
    char path[PATH_MAX]; /* absolute */
    enum image_format format;
    uint64_t bytes;           /* of the disk, a multiple of 512 */
    bool others;              /* qcow2: parts of it lie in other files (backing or data files) */
    off_t length;             /* of the file */
    struct timespec modified; /* a disk has none */
};

/* `format` NULL: told from the file. A raw image that a guest wrote may look like a qcow2 file that
 * names any file of this host: hence `others`. Returns EXIT_DONE, or prints one sentence and
 * returns another exit code. */
int image_file_look(const char *named, const char *format, struct image_file *ret_file);

/* Whether nobody wrote to the file, or cut it, since it was looked at: to be asked when it has been
 * read, because what reads it takes the end that is missing for zeroes. Returns EXIT_DONE, or
 * prints one sentence and returns another exit code. */
int image_file_is_unchanged(const char *named, const struct image_file *file);

#endif
