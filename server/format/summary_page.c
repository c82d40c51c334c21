#include "format/summary_page.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

enum { AT_MAGIC = 0, AT_CRC = 4, AT_SUPERGROUP = 8, AT_CHECKPOINT = 16, AT_GROUPS = 64 };
enum { GROUP_BYTES = 16 };
_Static_assert(AT_GROUPS + LAYOUT_SUPERGROUP_GROUPS * GROUP_BYTES == BLOCK_SIZE,
               "a summary page is one block");

#define MAGIC ((uint32_t)0x4d555356) /* "VSUM" */

/* The checksum stands in the page itself and is taken over the page with that field zero. */
static uint32_t page_crc(uint32_t store_seed, struct pblock at, const uint8_t *block)
{
    static const uint8_t zero[4];
    uint8_t address[8];

    le64_store(address, at.n);
    uint32_t crc = crc32c(store_seed, address, sizeof address);
    crc = crc32c(crc, block, AT_CRC);
    crc = crc32c(crc, zero, sizeof zero);
    return crc32c(crc, block + AT_SUPERGROUP, BLOCK_SIZE - AT_SUPERGROUP);
}

uint32_t summary_page_encode(uint32_t store_seed, struct pblock at, const struct summary_page *page,
                             uint8_t *block)
{
    memset(block, 0, BLOCK_SIZE);
    le32_store(block + AT_MAGIC, MAGIC);
    le64_store(block + AT_SUPERGROUP, page->supergroup);
    le64_store(block + AT_CHECKPOINT, page->checkpoint);
    for (unsigned i = 0; i < LAYOUT_SUPERGROUP_GROUPS; i++) {
        uint8_t *to = block + AT_GROUPS + (size_t)i * GROUP_BYTES;
        const struct group_summary *group = &page->groups[i];

        le32_store(to, group->crc);
        le16_store(to + 4, group->used);
        to[6] = group->slot;
        to[7] = group->written;
    }
    uint32_t crc = page_crc(store_seed, at, block);
    le32_store(block + AT_CRC, crc);
    return crc;
}

const char *summary_page_decode(uint32_t store_seed, struct pblock at, uint64_t supergroup,
                                const uint8_t *block, struct summary_page *ret_page,
                                uint32_t *ret_crc)
{
    uint32_t crc = page_crc(store_seed, at, block);

    if (le32_load(block + AT_MAGIC) != MAGIC) {
        return "has no summary magic";
    }
    if (le32_load(block + AT_CRC) != crc) {
        return "has a wrong checksum";
    }
    if (le64_load(block + AT_SUPERGROUP) != supergroup) {
        return "belongs to another supergroup";
    }
    for (unsigned i = 0; i < LAYOUT_SUPERGROUP_GROUPS; i++) {
        const uint8_t *from = block + AT_GROUPS + (size_t)i * GROUP_BYTES;

        if (from[6] > 1 || from[7] > 1 || le16_load(from + 4) > LAYOUT_GROUP_BLOCKS) {
            return "has an impossible group";
        }
        ret_page->groups[i] = (struct group_summary){
            .crc = le32_load(from),
            .used = le16_load(from + 4),
            .slot = from[6],
            .written = from[7],
        };
    }
    ret_page->supergroup = supergroup;
    ret_page->checkpoint = le64_load(block + AT_CHECKPOINT);
    *ret_crc = crc;
    return NULL;
}
