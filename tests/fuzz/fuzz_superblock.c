/* A superblock: what is accepted is encoded again to the same block, but for bytes that no field
 * has. */
#include <assert.h>
#include <string.h>

#include "base/block.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "format/superblock.h"
#include "fuzz.h"

enum { AT_CRC = BLOCK_SIZE - 4 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static _Alignas(8) uint8_t block[BLOCK_SIZE], again[BLOCK_SIZE];
    struct superblock super, second;
    struct pblock at = {length > 0 ? (uint64_t)(bytes[0] % 4) * 64 : 0};

    memset(block, 0, sizeof block);
    if (length > 1)
        memcpy(block, bytes + 1, length - 1 < AT_CRC ? length - 1 : (size_t)AT_CRC);
    le32_store(block + AT_CRC, crc32c(0, block, AT_CRC));
    if (superblock_decode(block, at, &super) != NULL)
        return 0;
    superblock_encode(&super, at, again);
    assert(superblock_decode(again, at, &second) == NULL);
    superblock_encode(&second, at, block);
    assert(memcmp(block, again, sizeof block) == 0);
    return 0;
}
