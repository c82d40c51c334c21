#include "dataset/manifest_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t escape(const char *text, char *to)
{
    size_t length = 0;

    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte >= 0x20 && byte != 0x7f && byte != '\\') {
            to[length++] = *text;
            continue;
        }
        to[length++] = '\\';
        to[length++] = (char)('0' + (byte >> 6));
        to[length++] = (char)('0' + (byte >> 3 & 7));
        to[length++] = (char)('0' + (byte & 7));
    }
    return length;
}

static bool unescape(const char *text, char to[MANIFEST_PATH_MAX])
{
    size_t length = 0;

    while (*text != '\0') {
        unsigned value = 0;

        if (length + 1 >= MANIFEST_PATH_MAX)
            return false;
        if (*text != '\\') {
            to[length++] = *text++;
            continue;
        }
        for (int i = 1; i <= 3; i++) {
            if (text[i] < '0' || text[i] > '7')
                return false;
            value = value * 8 + (unsigned)(text[i] - '0');
        }
        if (value == 0 || value > 255)
            return false;
        to[length++] = (char)value;
        text += 4;
    }
    to[length] = '\0';
    return true;
}

size_t manifest_line_print(const struct manifest_line *line, char text[MANIFEST_LINE_MAX])
{
    size_t length = escape(line->path, text);

    length +=
        (size_t)snprintf(text + length, 256,
                         "\t%c\t%04" PRIo32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu64 "\t%" PRId64
                         ".%09" PRIu32 "\t%" PRId64 ".%09" PRIu32 "\t%" PRIu32 ".%" PRIu32 "\t%s\t",
                         line->type, line->mode, line->uid, line->gid, line->size, line->mtime,
                         line->mtime_nanoseconds, line->ctime, line->ctime_nanoseconds, line->inode,
                         line->generation, line->digest[0] != '\0' ? line->digest : "-");
    if (line->target[0] != '\0')
        length += escape(line->target, text + length);
    else
        text[length++] = '-';
    text[length++] = '\n';
    text[length] = '\0';
    return length;
}

/* A number up to a byte that ends it, which is passed. */
static bool take(char **text, int base, char end, uint64_t max, uint64_t *ret_value)
{
    char *stop;

    if (**text < '0' || **text > '9')
        return false;
    *ret_value = strtoull(*text, &stop, base);
    if (*stop != end || *ret_value > max)
        return false;
    *text = stop + 1;
    return true;
}

static bool take_time(char **text, int64_t *ret_seconds, uint32_t *ret_nanoseconds)
{
    bool negative = **text == '-';
    uint64_t seconds, nanoseconds;

    *text += negative;
    if (!take(text, 10, '.', (uint64_t)1 << 40, &seconds) ||
        !take(text, 10, '\t', 999999999, &nanoseconds))
        return false;
    *ret_seconds = negative ? -(int64_t)seconds : (int64_t)seconds;
    *ret_nanoseconds = (uint32_t)nanoseconds;
    return true;
}

static bool take_digest(char **text, char digest[DIGEST_TEXT + 1])
{
    size_t length = strcspn(*text, "\t");
    bool none = length == 1 && **text == '-';

    if ((*text)[length] != '\t' || (length != DIGEST_TEXT && !none))
        return false;
    memcpy(digest, *text, none ? 0 : length);
    digest[none ? 0 : length] = '\0';
    *text += length + 1;
    return true;
}

bool manifest_line_parse(char *text, struct manifest_line *ret_line)
{
    uint64_t mode, uid, gid, inode, generation;
    char *end = strchr(text, '\t');

    if (end == NULL)
        return false;
    *end = '\0';
    if (!unescape(text, ret_line->path) || end[1] == '\0' || end[2] != '\t')
        return false;
    ret_line->type = end[1];
    text = end + 3;
    if (!take(&text, 8, '\t', 07777, &mode) || !take(&text, 10, '\t', UINT32_MAX, &uid) ||
        !take(&text, 10, '\t', UINT32_MAX, &gid) ||
        !take(&text, 10, '\t', UINT64_MAX, &ret_line->size) ||
        !take_time(&text, &ret_line->mtime, &ret_line->mtime_nanoseconds) ||
        !take_time(&text, &ret_line->ctime, &ret_line->ctime_nanoseconds) ||
        !take(&text, 10, '.', UINT32_MAX, &inode) ||
        !take(&text, 10, '\t', UINT32_MAX, &generation) || !take_digest(&text, ret_line->digest))
        return false;
    ret_line->mode = (uint32_t)mode;
    ret_line->uid = (uint32_t)uid;
    ret_line->gid = (uint32_t)gid;
    ret_line->inode = (uint32_t)inode;
    ret_line->generation = (uint32_t)generation;
    return unescape(strcmp(text, "-") == 0 ? "" : text, ret_line->target);
}

int manifest_path_compare(const char *a, const char *b)
{
    unsigned char x, y;

    while (*a == *b && *a != '\0')
        a++, b++;
    /* the end of a path comes first, then a slash */
    x = (unsigned char)*a;
    y = (unsigned char)*b;
    if (x == y)
        return 0;
    if (x == '\0' || y == '\0')
        return x == '\0' ? -1 : 1;
    if (x == '/' || y == '/')
        return x == '/' ? -1 : 1;
    return x < y ? -1 : 1;
}

bool manifest_line_differs(const struct manifest_line *a, const struct manifest_line *b)
{
    return a->type != b->type || a->mode != b->mode || a->uid != b->uid || a->gid != b->gid ||
           (a->type == 'f' && a->size != b->size) || strcmp(a->digest, b->digest) != 0 ||
           strcmp(a->target, b->target) != 0;
}
