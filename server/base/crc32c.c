#include "base/crc32c.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <limits.h>

#include "base/le.h"

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length)
{
    assert(length <= INT_MAX);
    /* ISA-L neither inverts at the start nor at the end, and takes a pointer that it only reads. */
    return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)length, ~crc);
}

uint32_t crc32c_store_seed(const uint8_t identity[16])
{
    return crc32c(0, identity, 16);
}

uint32_t crc32c_block(uint32_t store_seed, struct pblock at, const void *block)
{
    uint8_t address[8];

    le64_store(address, at.n);
    return crc32c(crc32c(store_seed, address, sizeof address), block, BLOCK_SIZE);
}
