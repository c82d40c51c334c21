/* The lines of a manifest: see MANIFEST.md. Pure. */
#ifndef DATASET_MANIFEST_LINE_H
#define DATASET_MANIFEST_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest/digest.h"

enum {
    MANIFEST_PATH_MAX = 4096,
    MANIFEST_LINE_MAX = 2 * 4 * MANIFEST_PATH_MAX + 256, /* bytes, with newline and zero */
};
#define MANIFEST_HEAD "varve manifest 1\n"

struct manifest_line {
    char path[MANIFEST_PATH_MAX];
    char target[MANIFEST_PATH_MAX]; /* "" for none */
    char type;
    uint32_t mode, uid, gid, inode, generation;
    uint64_t size;
    int64_t mtime, ctime;
    uint32_t mtime_nanoseconds, ctime_nanoseconds;
    char digest[DIGEST_TEXT + 1]; /* "" for none */
};

/* Returns the bytes of the line, with its newline. */
size_t manifest_line_print(const struct manifest_line *line, char text[MANIFEST_LINE_MAX]);
/* Takes a line without its newline apart; false when it is none. `text` is changed. */
bool manifest_line_parse(char *text, struct manifest_line *ret_line);

/* The order of lines: negative, 0, positive. */
int manifest_path_compare(const char *a, const char *b);
/* Whether a user would say that the file changed: not when only its times did. */
bool manifest_line_differs(const struct manifest_line *a, const struct manifest_line *b);

#endif
