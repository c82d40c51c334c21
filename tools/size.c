/* Binary sizes. */
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <varve/error.h>

static const char units[] = "BKMGTP"; /* each 1024 times the one before */

/* The power of 1024 that a suffix means, or -1. */
static int suffix_power(const char *suffix)
{
    if (suffix[0] == '\0')
        return 0;
    const char *unit = strchr(units, toupper((unsigned char)suffix[0]));
    if (unit == NULL)
        return -1;
    if (suffix[1] == '\0')
        return (int)(unit - units);
    return unit != units && strcasecmp(suffix + 1, "iB") == 0 ? (int)(unit - units) : -1;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
    size_t digits = strspn(text, "0123456789");
    const char *suffix = text + digits;
    int power = suffix_power(suffix);
    if (digits > 0 && suffix[0] != '\0' && suffix[0] != 'B' && strcasecmp(suffix + 1, "B") == 0)
        return varve_fail(
            EINVAL, "size '%.40s' could be meant in thousands; write %.*s%c for 1024s", text,
            (int)(digits < 30 ? digits : 30), text, toupper((unsigned char)suffix[0]));
    if (digits == 0 || power < 0)
        return varve_fail(EINVAL,
                          "'%.40s' is not a size; write bytes or a whole number with K, M, "
                          "G, T or P, like 512M or 10G",
                          text);
    uint64_t bytes = 0;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(bytes, 10, &bytes) ||
            __builtin_add_overflow(bytes, (uint64_t)(text[i] - '0'), &bytes))
            power = 7; /* more than there are bytes */
    if (power > 6 || (power > 0 && bytes > (uint64_t)INT64_MAX >> (10 * power)) ||
        bytes > INT64_MAX)
        return varve_fail(ERANGE, "size '%.40s' is beyond 8 EiB", text);
    *ret_bytes = bytes << (10 * power);
    return 0;
}

const char *size_print(uint64_t bytes, char text[SIZE_TEXT])
{
    unsigned power = 0;
    while (power + 1 < sizeof units - 1 && bytes >> (10 * (power + 1)) != 0)
        power++;
    if (power == 0) {
        snprintf(text, SIZE_TEXT, "%" PRIu64 " B", bytes);
        return text;
    }
    unsigned whole = (unsigned)(bytes >> (10 * power)); /* at most 1023, or of P 16383 */
    uint64_t rest = bytes - ((uint64_t)whole << (10 * power));
    /* tenths, cut and not rounded: 1023.99 MiB must not read as a GiB */
    unsigned tenths = (unsigned)(((rest >> (10 * (power - 1))) * 10) >> 10);
    if (rest == 0)
        snprintf(text, SIZE_TEXT, "%u %ciB", whole, units[power]);
    else
        snprintf(text, SIZE_TEXT, "%u.%u %ciB", whole, tenths, units[power]);
    return text;
}
