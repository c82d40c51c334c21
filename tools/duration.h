/* Intervals as people write and read them: 90s, 15m, 1h, 1d, 1w, or seconds. */
#ifndef TOOLS_DURATION_H
#define TOOLS_DURATION_H

#include <stdint.h>

/* Returns 0, or -EINVAL or -ERANGE with varve_error() set to a sentence that quotes the text. */
int duration_parse(const char *text, int64_t *ret_seconds);

enum { DURATION_TEXT = 32 };
/* "1h", "36h", "90s": exact, in the largest unit that it is a whole number of. Returns `text`. */
const char *duration_print(int64_t seconds, char text[DURATION_TEXT]);

#endif
