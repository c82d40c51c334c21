#include "volume/copy_header.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_IDENTITY = 16,
    AT_NUMBER = 32,
    AT_LENGTH = 40,
    AT_CONTENT_CRC = 48,
    AT_REST = 52,

    VERSION = 1,
    UNIT = 512, /* SQLite's smallest page */
};

_Static_assert(AT_NUMBER - AT_IDENTITY == COPY_IDENTITY_BYTES, "the identity has its place");

static const char magic[] = "varvecat";
enum { MAGIC_BYTES = sizeof magic - 1 };

/* Of the block with the checksum's own place zero. */
static uint32_t block_crc(const uint8_t block[COPY_PIECE])
{
    static const uint8_t zero[AT_IDENTITY - AT_CRC];
    uint32_t crc = crc32c(0, block, AT_CRC);

    crc = crc32c(crc, zero, sizeof zero);
    return crc32c(crc, block + AT_IDENTITY, COPY_PIECE - AT_IDENTITY);
}

void copy_header_encode(const struct copy_header *header, uint8_t block[COPY_PIECE])
{
    memset(block, 0, COPY_PIECE);
    memcpy(block + AT_MAGIC, magic, MAGIC_BYTES);
    le32_store(block + AT_VERSION, VERSION);
    memcpy(block + AT_IDENTITY, header->identity, COPY_IDENTITY_BYTES);
    le64_store(block + AT_NUMBER, header->number);
    le64_store(block + AT_LENGTH, header->length);
    le32_store(block + AT_CONTENT_CRC, header->crc);
    le32_store(block + AT_CRC, block_crc(block));
}

const char *copy_header_decode(const uint8_t block[COPY_PIECE], struct copy_header *ret_header)
{
    struct copy_header header;

    if (memcmp(block + AT_MAGIC, magic, MAGIC_BYTES) != 0)
        return "no copy of a catalog";
    if (le32_load(block + AT_CRC) != block_crc(block))
        return "the checksum of the header is wrong";
    if (le32_load(block + AT_VERSION) != VERSION)
        return "a format that this version of varve does not know";
    memcpy(header.identity, block + AT_IDENTITY, COPY_IDENTITY_BYTES);
    header.number = le64_load(block + AT_NUMBER);
    header.length = le64_load(block + AT_LENGTH);
    header.crc = le32_load(block + AT_CONTENT_CRC);
    if (header.number == 0 || header.number > INT64_MAX)
        return "a number of changes that no catalog has";
    if (header.length < UNIT || header.length > COPY_LENGTH_MAX || header.length % UNIT != 0)
        return "a length that no catalog has";
    for (unsigned i = AT_REST; i < COPY_PIECE; i++)
        if (block[i] != 0)
            return "something behind the header";
    *ret_header = header;
    return NULL;
}
