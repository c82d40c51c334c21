/*
 * A count page: the reference counts of one group's blocks. FORMAT.md, "Count page".
 */
#ifndef FORMAT_COUNT_PAGE_H
#define FORMAT_COUNT_PAGE_H

#include "base/block.h"
#include "format/layout.h"

/* The highest count that is kept. A block with that many references is copied instead of shared
 * once more. */
#define COUNT_MAX ((uint16_t)65535)

/* `counts` has LAYOUT_GROUP_BLOCKS entries; those past the end of the store are zero. Returns the
 * page's checksum, which the summary holds. */
uint32_t count_page_encode(uint32_t store_seed, struct pblock at, uint64_t group,
                           uint64_t checkpoint, const uint16_t *counts, uint8_t *block);

/* NULL and `counts` filled, or the reason, as a static string. `crc` is what the summary says. */
const char *count_page_decode(uint32_t store_seed, struct pblock at, uint64_t group, uint32_t crc,
                              const uint8_t *block, uint16_t *ret_counts);

#endif
