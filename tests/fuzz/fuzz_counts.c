/* A count page and a summary page, with their checksums set right. */
#include <assert.h>
#include <string.h>

#include "base/block.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "format/count_page.h"
#include "format/layout.h"
#include "format/summary_page.h"
#include "fuzz.h"

enum { AT_SUMMARY_CRC = 4 };

static const uint32_t seed = 0x9abcdef0;
static const struct pblock at = {258};

static void counts(const uint8_t *block)
{
    static uint16_t found[LAYOUT_GROUP_BLOCKS], second[LAYOUT_GROUP_BLOCKS];
    static uint8_t again[BLOCK_SIZE];
    const uint64_t group = le64_load(block + 8);
    const uint32_t crc = crc32c_block(seed, at, block);

    if (count_page_decode(seed, at, group, crc, block, found) != NULL)
        return;
    uint32_t written = count_page_encode(seed, at, group, le64_load(block + 16), found, again);
    assert(count_page_decode(seed, at, group, written, again, second) == NULL);
    assert(memcmp(found, second, sizeof found) == 0);
    assert(count_page_decode(seed, at, group + 1, written, again, second) != NULL);
}

static void summary(uint8_t *block)
{
    static struct summary_page page, second;
    static uint8_t again[BLOCK_SIZE];
    const uint64_t supergroup = le64_load(block + 8);
    uint32_t crc = 0, found = 0;

    le32_store(block + AT_SUMMARY_CRC, 0);
    le32_store(block + AT_SUMMARY_CRC, crc32c_block(seed, at, block));
    if (summary_page_decode(seed, at, supergroup, block, &page, &found) != NULL)
        return;
    for (unsigned i = 0; i < LAYOUT_SUPERGROUP_GROUPS; i++)
        assert(page.groups[i].slot <= 1 && page.groups[i].used <= LAYOUT_GROUP_BLOCKS);
    crc = summary_page_encode(seed, at, &page, again);
    assert(summary_page_decode(seed, at, supergroup, again, &second, &found) == NULL);
    assert(found == crc);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static _Alignas(8) uint8_t block[BLOCK_SIZE];

    memset(block, 0, sizeof block);
    memcpy(block, bytes, length < sizeof block ? length : sizeof block);
    counts(block);
    summary(block);
    return 0;
}
