/* The header of the catalog's copy, as it comes and with its checksum set right. */
#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "fuzz.h"
#include "volume/copy_header.h"

enum { AT_CRC = 12 };

static void decode(const uint8_t block[COPY_PIECE])
{
    static uint8_t again[COPY_PIECE];
    struct copy_header header;

    if (copy_header_decode(block, &header) != NULL)
        return;
    assert(header.number > 0 && header.length > 0 && header.length <= COPY_LENGTH_MAX);
    copy_header_encode(&header, again);
    assert(memcmp(block, again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static uint8_t block[COPY_PIECE];

    memset(block, 0, sizeof block);
    memcpy(block, bytes, length < sizeof block ? length : sizeof block);
    decode(block);
    le32_store(block + AT_CRC, 0);
    le32_store(block + AT_CRC, crc32c(0, block, sizeof block));
    decode(block);
    return 0;
}
