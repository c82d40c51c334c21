/*
 * A ref: what a parent holds of one child, 16 bytes. A map page is 256 of them and nothing else;
 * image records and the superblock hold refs to roots. FORMAT.md, "Ref".
 *
 *   0  8  address of the child (bits 0 to 55), kind (bits 56 to 63)
 *   8  4  checksum of the child, seeded with the store's identity and the child's address
 *  12  4  blocks of data mapped below (1 for a data block), saturating
 */
#ifndef FORMAT_REF_H
#define FORMAT_REF_H

#include "base/block.h"
#include "base/le.h"

enum { REF_BYTES = 16, REFS_PER_PAGE = 256, REF_LEVEL_BITS = 8 };

enum ref_kind {
    REF_HOLE = 0,      /* reads as zeroes; the other fields are zero */
    REF_HERE = 1,      /* a data block or a page one level down, in this store */
    REF_ZERO = 2,      /* kept for: zeroes with space set aside */
    REF_ELSEWHERE = 3, /* kept for: content at a storage provider */
    REF_SUBTREE = 16,  /* only in the trash: 16 + level of the page that waits to be counted down */
};

#define REF_ADDRESS_MASK (((uint64_t)1 << 56) - 1)

struct ref {
    struct pblock at;
    uint32_t crc;
    uint32_t mapped;
    uint8_t kind;
};

static inline struct ref ref_load(const uint8_t *from)
{
    uint64_t word = le64_load(from);

    return (struct ref){
        .at = {word & REF_ADDRESS_MASK},
        .crc = le32_load(from + 8),
        .mapped = le32_load(from + 12),
        .kind = (uint8_t)(word >> 56),
    };
}

static inline void ref_store(uint8_t *to, struct ref ref)
{
    le64_store(to, ref.at.n | (uint64_t)ref.kind << 56);
    le32_store(to + 8, ref.crc);
    le32_store(to + 12, ref.mapped);
}

static inline bool ref_is_hole(struct ref ref)
{
    return ref.kind == REF_HOLE;
}

static inline struct ref ref_hole(void)
{
    return (struct ref){.kind = REF_HOLE};
}

#endif
