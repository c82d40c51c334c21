#include "waiting.h"

#include <string.h>

enum {
    MAGIC = 0x25609513,
    FLAGS_KNOWN = 0x1f, /* without NBD_CMD_FLAG_PAYLOAD_LEN, which extended headers have */
    READ = 0,
    WRITE = 1,
    DISCONNECT = 2,
    BLOCK_STATUS = 7, /* the last one that is known */
};

struct request {
    uint64_t flags, type, offset, length;
};

static uint64_t big_endian(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Takes the request at *at and steps behind it. False: there is none that is understood, or it is
 * not there as a whole, which *cut says. */
static bool take(const uint8_t *bytes, size_t length, size_t *at, struct request *request,
                 bool *cut)
{
    const uint8_t *header = bytes + *at;
    size_t left = length - *at;

    *cut = left < WAITING_HEADER;
    if (*cut || big_endian(header, 4) != MAGIC) {
        return false;
    }
    *request = (struct request){.flags = big_endian(header + 4, 2),
                                .type = big_endian(header + 6, 2),
                                .offset = big_endian(header + 16, 8),
                                .length = big_endian(header + 24, 4)};
    if (request->flags > FLAGS_KNOWN || request->type == DISCONNECT ||
        request->type > BLOCK_STATUS) {
        return false;
    }
    left -= WAITING_HEADER;
    if (request->type == WRITE) {
        *cut = left < request->length;
        if (*cut) {
            return false;
        }
        *at += request->length;
    }
    *at += WAITING_HEADER;
    return true;
}

/* Where what is behind the marked request begins; the last one, should there be two. */
static size_t behind(const uint8_t *bytes, size_t length, const struct waiting_mark *mark)
{
    struct request request;
    size_t at = 0, before = 0, found = 0;
    bool cut;

    while (take(bytes, length, &at, &request, &cut)) {
        if (memcmp(bytes + before, mark->header, WAITING_HEADER) == 0) {
            found = at;
        }
        before = at;
    }
    return found;
}

unsigned waiting_reads(const uint8_t *bytes, size_t length, struct waiting_mark *mark,
                       struct waiting_read *ret_reads, unsigned max, bool *ret_cut)
{
    size_t at = behind(bytes, length, mark), before = at;
    uint64_t sum = 0;
    struct request request;
    unsigned count = 0;

    *ret_cut = false;
    while (count < max && sum < WAITING_SUM_MAX && take(bytes, length, &at, &request, ret_cut)) {
        memcpy(mark->header, bytes + before, WAITING_HEADER);
        before = at;
        if (request.type == READ && request.length > 0 && request.length <= WAITING_LENGTH_MAX) {
            ret_reads[count++] = (struct waiting_read){request.offset, (uint32_t)request.length};
            sum += request.length;
        }
    }
    return count;
}
