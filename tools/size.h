/* Sizes as people write and read them: binary units, 10G is 10 GiB. */
#ifndef TOOLS_SIZE_H
#define TOOLS_SIZE_H

#include <stdint.h>

/* Bytes from "10G", "512M", "1T", "64KiB" or "4096" (case does not matter; K M G T P, with or
 * without "iB"). Returns 0, or -EINVAL or -ERANGE with varve_error() set to a sentence that quotes
 * the text. */
int size_parse(const char *text, uint64_t *ret_bytes);

enum { SIZE_TEXT = 32 };
/* "10 GiB", "1.5 GiB", "512 B"; exact when it is a whole number of the unit, else one digit, never
 * rounded up to the next unit. Returns `text`. */
const char *size_print(uint64_t bytes, char text[SIZE_TEXT]);

#endif
