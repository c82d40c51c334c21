/*
 * A summary page: for each group of a supergroup, which of its two count slots holds and what its
 * checksum is. It has two slots itself; the newest sound one that is not newer than the superblock
 * holds, and the superblock's summary_crc proves the choice. FORMAT.md, "Summary page".
 */
#ifndef FORMAT_SUMMARY_PAGE_H
#define FORMAT_SUMMARY_PAGE_H

#include "base/block.h"
#include "format/layout.h"

struct group_summary {
    uint32_t crc;  /* of the count page */
    uint16_t used; /* blocks with a count above zero */
    uint8_t slot;  /* 0 or 1: the count slot that holds */
    bool written;  /* false: never written, all counts are zero */
};

struct summary_page {
    uint64_t supergroup, checkpoint;
    struct group_summary groups[LAYOUT_SUPERGROUP_GROUPS];
};

/* Returns the page's checksum. */
uint32_t summary_page_encode(uint32_t store_seed, struct pblock at, const struct summary_page *page,
                             uint8_t *block);

/* NULL, *ret_page and *ret_crc set, or the reason, as a static string. */
const char *summary_page_decode(uint32_t store_seed, struct pblock at, uint64_t supergroup,
                                const uint8_t *block, struct summary_page *ret_page,
                                uint32_t *ret_crc);

#endif
