/*
 * A range of a source as libblkid can take it: a file descriptor. Only for the files of this
 * folder.
 *
 * A window is a file in memory, of the range's size, that holds what matters: libblkid knows its
 * signatures by fixed places near the start and the end. All else stays a hole, which costs
 * nothing, whatever the range's size; so a volume of 16 PiB takes some 3 MiB. What lies elsewhere
 * and matters (extended partition records) the caller adds.
 */
#ifndef INSPECT_INSPECT_RANGE_H
#define INSPECT_INSPECT_RANGE_H

#include "inspect/inspect.h"

struct range {
    const struct inspect_source *source;
    uint64_t start, size; /* bytes; within the source */
};

/* Reads within the range; a request that leaves it gives -ERANGE, with no line. */
int range_read(const struct range *range, void *buffer, size_t length, uint64_t offset);

/* Returns a file descriptor, or -errno. */
int range_open_window(const struct range *range);
/* Adds what matters, cut to the range. */
int range_add_to_window(const struct range *range, int window, uint64_t offset, uint64_t length);

/* Copies to a field of varve_content and its kin: what is not printable UTF-8 becomes '?', trailing
 * blanks go. */
void text_copy(char *to, size_t size, const char *text);

/* Both look at the range through its window; the table adds to it where entries lie elsewhere. */
int inspect_table(const struct range *range, int window, struct varve_inspection *inspection);
int inspect_content(const struct range *range, int window, struct varve_content *ret_content);

/* Sets clean and clean_reason of a content whose type is known. Damage in reading is an error;
 * damage in meaning is "unknown". */
int clean_state(const struct range *range, struct varve_content *content);
int clean_xfs(const struct range *range, struct varve_content *content);
void clean_say(struct varve_content *content, enum varve_clean clean, const char *reason);

#endif
