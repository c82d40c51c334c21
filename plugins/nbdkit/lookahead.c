#include "lookahead.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "waiting.h"

enum {
    READS_MAX = 64,
    WINDOW_SMALL = 4096, /* bytes: 146 requests without data */
    WINDOW_LARGE = 65536 /* with data of writes between them */
};

static _Thread_local struct {
    bool looking;
    int fd;
    size_t window;
    struct waiting_mark mark;
} own;

void lookahead_begin(int fd)
{
    own.fd = fd;
    own.looking = own.fd != -1;
    own.window = WINDOW_SMALL;
}

/* Returns how many reads wait that were not told before, up to `max`. */
static unsigned peek(size_t window, struct waiting_read *reads, unsigned max, bool *ret_more)
{
    uint8_t *bytes = malloc(window);
    ssize_t length = bytes ? recv(own.fd, bytes, window, MSG_PEEK | MSG_DONTWAIT) : 0;
    unsigned count = 0;
    bool cut = false;

    if (length > 0) {
        count = waiting_reads(bytes, (size_t)length, &own.mark, reads, max, &cut);
    }
    *ret_more = cut && (size_t)length == window;
    if (length < WINDOW_SMALL) {
        own.window = WINDOW_SMALL;
    }
    free(bytes);
    return count;
}

static void look_ahead(struct varve_export *export)
{
    struct waiting_read reads[READS_MAX];
    struct varve_ahead ahead[READS_MAX];
    bool more;
    unsigned count = peek(own.window, reads, READS_MAX, &more);

    if (more && own.window < WINDOW_LARGE) {
        own.window = WINDOW_LARGE; /* the next time too */
        count += peek(own.window, reads + count, READS_MAX - count, &more);
    }
    for (unsigned i = 0; i < count; i++) {
        ahead[i] = (struct varve_ahead){reads[i].offset, reads[i].length};
    }
    varve_export_read_ahead(export, ahead, count);
}

int lookahead_read(struct varve_export *export, void *buffer, uint32_t length, uint64_t offset)
{
    if (own.looking && length <= WAITING_LENGTH_MAX) {
        int r = varve_export_read_nowait(export, buffer, length, offset);

        if (r != -EAGAIN) {
            return r;
        }
        look_ahead(export);
    }
    return varve_export_read(export, buffer, length, offset);
}
