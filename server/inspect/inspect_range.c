#include "inspect/inspect_range.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <varve/error.h>

enum {
    /* The farthest signatures that libblkid 2.38 looks for: VMFS at 2 MiB from the start, ZFS' last
       label 512 KiB from the end. */
    WINDOW_START = (2 << 20) + (64 << 10),
    WINDOW_END = 1 << 20,
    STRIDE = 256 << 10, /* bytes read at once */
    PIECE = 4096,       /* zeroes are left out in such pieces */
};

int range_read(const struct range *range, void *buffer, size_t length, uint64_t offset)
{
    if (offset > range->size || length > range->size - offset)
        return -ERANGE;
    return range->source->read(range->source->opaque, buffer, length, range->start + offset);
}

static bool all_zero(const unsigned char *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static int put(int window, const unsigned char *bytes, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length;) {
        size_t piece = length - done < PIECE ? length - done : PIECE;
        ssize_t n = (ssize_t)piece;

        if (!all_zero(bytes + done, piece))
            n = pwrite(window, bytes + done, piece, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return varve_fail(ENOMEM, "no memory to look at a volume: %s", strerror(errno));
        done += (size_t)n;
    }
    return 0;
}

int range_add_to_window(const struct range *range, int window, uint64_t offset, uint64_t length)
{
    unsigned char *buffer;
    int r = 0;

    if (offset >= range->size)
        return 0;
    if (length > range->size - offset)
        length = range->size - offset;
    buffer = malloc(STRIDE);
    if (buffer == NULL)
        return varve_fail(ENOMEM, "no memory to look at a volume");
    while (r == 0 && length > 0) {
        size_t stride = length < STRIDE ? (size_t)length : STRIDE;

        r = range_read(range, buffer, stride, offset);
        assert(r != -ERANGE);
        if (r == 0)
            r = put(window, buffer, stride, offset);
        offset += stride;
        length -= stride;
    }
    free(buffer);
    return r;
}

int range_open_window(const struct range *range)
{
    uint64_t start = range->size < WINDOW_START ? range->size : WINDOW_START;
    uint64_t end = range->size - start < WINDOW_END ? range->size - start : WINDOW_END;
    int r, window = memfd_create("varve-inspect", MFD_CLOEXEC);

    if (window < 0)
        return varve_fail(ENOMEM, "no file in memory to look at a volume: %s", strerror(errno));
    if (ftruncate(window, (off_t)range->size) != 0)
        r = varve_fail(ENOMEM, "no file of %llu bytes in memory to look at a volume: %s",
                       (unsigned long long)range->size, strerror(errno));
    else
        r = range_add_to_window(range, window, 0, start);
    if (r == 0)
        r = range_add_to_window(range, window, range->size - end, end);
    if (r != 0) {
        close(window);
        return r;
    }
    return window;
}

/* Bytes of the well-formed character at `text` (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80                      ? 1
                    : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                    : (text[0] & 0xf0) == 0xe0          ? 3
                    : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
                                                        : 0;

    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    /* U+0080 to U+009f are control characters too. */
    return length == 2 && text[0] == 0xc2 && text[1] < 0xa0 ? 0 : length;
}

void text_copy(char *to, size_t size, const char *text)
{
    size_t used = 0;

    while (*text != '\0') {
        size_t length = utf8_length((const unsigned char *)text);
        bool printable = length > 1 || (length == 1 && isprint((unsigned char)*text));

        if (used + (printable ? length : 1) >= size)
            break;
        if (printable)
            memcpy(to + used, text, length);
        else
            to[used] = '?';
        used += printable ? length : 1;
        text += printable ? length : 1;
    }
    while (used > 0 && to[used - 1] == ' ')
        used--;
    to[used] = '\0';
}
