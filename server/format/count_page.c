#include "format/count_page.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

enum { AT_MAGIC = 0, AT_GROUP = 8, AT_CHECKPOINT = 16, AT_COUNTS = 64 };
_Static_assert(AT_COUNTS + LAYOUT_GROUP_BLOCKS * 2 == BLOCK_SIZE, "a count page is one block");

#define MAGIC ((uint32_t)0x4e554356) /* "VCUN" */

uint32_t count_page_encode(uint32_t store_seed, struct pblock at, uint64_t group,
                           uint64_t checkpoint, const uint16_t *counts, uint8_t *block)
{
    memset(block, 0, AT_COUNTS);
    le32_store(block + AT_MAGIC, MAGIC);
    le64_store(block + AT_GROUP, group);
    le64_store(block + AT_CHECKPOINT, checkpoint);
    for (unsigned i = 0; i < LAYOUT_GROUP_BLOCKS; i++) {
        le16_store(block + AT_COUNTS + (size_t)2 * i, counts[i]);
    }
    return crc32c_block(store_seed, at, block);
}

const char *count_page_decode(uint32_t store_seed, struct pblock at, uint64_t group, uint32_t crc,
                              const uint8_t *block, uint16_t *ret_counts)
{
    if (crc32c_block(store_seed, at, block) != crc) {
        return "has a wrong checksum";
    }
    if (le32_load(block + AT_MAGIC) != MAGIC || le64_load(block + AT_GROUP) != group) {
        return "is not the count page of this group";
    }
    for (unsigned i = 0; i < LAYOUT_GROUP_BLOCKS; i++) {
        ret_counts[i] = le16_load(block + AT_COUNTS + (size_t)2 * i);
    }
    return NULL;
}
