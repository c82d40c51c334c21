#include "duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <varve/error.h>

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

enum { UNITS = sizeof units / sizeof units[0] };

/* The seconds of a unit, or 0. */
static int64_t unit_of(const char *suffix)
{
    if (suffix[0] == '\0')
        return 1;
    for (int i = 0; i < UNITS; i++)
        if (suffix[0] == units[i].letter && suffix[1] == '\0')
            return units[i].seconds;
    return 0;
}

int duration_parse(const char *text, int64_t *ret_seconds)
{
    const size_t digits = strspn(text, "0123456789");
    int64_t seconds = 0, unit = unit_of(text + digits);
    bool over = false;

    if (digits == 0 || unit == 0)
        return varve_fail(EINVAL,
                          "'%.40s' is no interval; write a whole number with s, m, h, d or w, like "
                          "15m or 1h",
                          text);
    for (size_t i = 0; i < digits && !over; i++)
        over = __builtin_mul_overflow(seconds, 10, &seconds) ||
               __builtin_add_overflow(seconds, text[i] - '0', &seconds);
    if (over || __builtin_mul_overflow(seconds, unit, &seconds))
        return varve_fail(ERANGE, "the interval '%.40s' is too long", text);
    *ret_seconds = seconds;
    return 0;
}

const char *duration_print(int64_t seconds, char text[DURATION_TEXT])
{
    int unit = 0;

    while (seconds % units[unit].seconds != 0)
        unit++;
    snprintf(text, DURATION_TEXT, "%" PRId64 "%c", seconds / units[unit].seconds,
             units[unit].letter);
    return text;
}
