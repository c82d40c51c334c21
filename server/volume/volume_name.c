#include "volume/volume_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>
#include <varve/volume.h>

enum { SECTOR = 512 };

bool name_is_valid(const char *name, size_t length)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

    if (length == 0 || length > VARVE_NAME_MAX || memchr(first, name[0], sizeof first - 1) == NULL)
        return false;
    for (size_t i = 1; i < length; i++)
        if (memchr(rest, name[i], sizeof rest - 1) == NULL ||
            (name[i] == '.' && name[i - 1] == '.'))
            return false;
    return true;
}

int name_check(const char *name)
{
    if (name_is_valid(name, strlen(name)))
        return 0;
    return varve_fail(EINVAL,
                      "'%s' is not a name: take 1 to %d of a-z, 0-9, '.', '_' and '-', with a "
                      "letter or digit first and no two dots in a row",
                      show_text(name).text, VARVE_NAME_MAX);
}

int size_check(uint64_t size)
{
    if (size < SECTOR)
        return varve_fail(EINVAL, "a volume has at least %d bytes, not %" PRIu64, (int)SECTOR,
                          size);
    if (size > VARVE_VOLUME_SIZE_MAX)
        return varve_fail(EINVAL, "a volume has at most %" PRIu64 " bytes (16 PiB), not %" PRIu64,
                          VARVE_VOLUME_SIZE_MAX, size);
    if (size % SECTOR != 0)
        return varve_fail(EINVAL,
                          "a volume's size is a multiple of %d bytes; %" PRIu64
                          " is not: the next one is %" PRIu64,
                          (int)SECTOR, size, size - size % SECTOR + SECTOR);
    return 0;
}

int text_check(const char *what, const char *text, size_t max)
{
    if (text == NULL || strlen(text) <= max)
        return 0;
    return varve_fail(EINVAL, "the %s has %zu bytes; at most %zu are kept", what, strlen(text),
                      max);
}

struct shown_text show_text(const char *text)
{
    struct shown_text shown;
    size_t used = 0;

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        /* Room for one escape, the mark of the cut and the end. */
        if (used + 4 + 3 + 1 > sizeof shown.text) {
            memcpy(shown.text + used, "...", 3);
            used += 3;
            break;
        }
        if (c >= 0x20 && c < 0x7f && c != '\\')
            shown.text[used++] = (char)c;
        else
            used += (size_t)snprintf(shown.text + used, 5, "\\x%02x", c);
    }
    shown.text[used] = '\0';
    return shown;
}

struct shown_text show_size(uint64_t bytes)
{
    static const char units[][4] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    struct shown_text shown;
    int unit = -1;
    uint64_t tenths = bytes;

    /* In the largest unit in which one decimal says it exactly. */
    for (int i = 4; unit < 0 && i >= 0; i--) {
        uint64_t one = (uint64_t)1 << (10 * (i + 1));

        if (bytes >= one && bytes / one * one == bytes) {
            unit = i;
            tenths = bytes / one * 10;
        } else if (bytes >= one && bytes % one * 10 % one == 0) {
            unit = i;
            tenths = bytes / one * 10 + bytes % one * 10 / one;
        }
    }
    if (unit < 0)
        snprintf(shown.text, sizeof shown.text, "%" PRIu64 " bytes", bytes);
    else if (tenths % 10 == 0)
        snprintf(shown.text, sizeof shown.text, "%" PRIu64 " %s", tenths / 10, units[unit]);
    else
        snprintf(shown.text, sizeof shown.text, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
                 tenths % 10, units[unit]);
    return shown;
}
