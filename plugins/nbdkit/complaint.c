#include "complaint.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugin.h"

/* At most this many lines in so many seconds. */
enum { BURST = 20, BURST_SECONDS = 10 };

static pthread_mutex_t window_lock = PTHREAD_MUTEX_INITIALIZER;
static time_t window_start;
static unsigned window_lines, lines_dropped;

const char *escape_line(const char *text, char *line, size_t size)
{
    static const char ellipsis[] = "...";
    size_t used = 0;

    assert(size > sizeof ellipsis + 4);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= 0x20 && c < 0x7f;

        if (used + (plain ? 1 : 4) + sizeof ellipsis > size) {
            memcpy(line + used, ellipsis, sizeof ellipsis);
            return line;
        }
        if (plain) {
            line[used++] = (char)c;
        } else {
            used += (size_t)snprintf(line + used, size - used, "\\x%02x", c);
        }
    }
    line[used] = '\0';
    return line;
}

/* Says whether a line may be logged now, and how many were dropped since the last one that was. */
static bool may_log(unsigned *dropped)
{
    struct timespec now;
    bool may;

    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&window_lock);
    if (now.tv_sec >= window_start + BURST_SECONDS) {
        window_start = now.tv_sec;
        window_lines = 0;
    }
    may = window_lines < BURST;
    if (may) {
        window_lines++;
        *dropped = lines_dropped;
        lines_dropped = 0;
    } else {
        lines_dropped++;
    }
    pthread_mutex_unlock(&window_lock);
    return may;
}

void complain(const char *format, ...)
{
    char text[2 * COMPLAINT_MAX], line[COMPLAINT_MAX];
    unsigned dropped;
    va_list arguments;

    if (!may_log(&dropped)) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    escape_line(text, line, sizeof line);
    if (dropped > 0) {
        nbdkit_error("%s (%u lines before it were not logged)", line, dropped);
    } else {
        nbdkit_error("%s", line);
    }
}

int refuse(int error)
{
    switch (-error) {
    case EPERM:
    case EIO:
    case ENOMEM:
    case EINVAL:
    case ENOSPC:
    case EOVERFLOW:
    case ENOTSUP:
    case ESHUTDOWN:
        nbdkit_set_error(-error);
        break;
    default:
        /* nbdkit would tell the client EINVAL, which says that the client is to blame */
        nbdkit_set_error(EIO);
        break;
    }
    return -1;
}
