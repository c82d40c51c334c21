/*
 * An image record: 256 bytes in the image table, 16 of them to a table page. Image number n has
 * record n % 16 of table page n / 16. FORMAT.md, "Image record".
 */
#ifndef FORMAT_IMAGE_RECORD_H
#define FORMAT_IMAGE_RECORD_H

#include "format/ref.h"

enum { IMAGE_RECORD_BYTES = 256, IMAGE_RECORDS_PER_PAGE = 16, IMAGE_LABEL_BYTES = 96 };

/* A map of levels 0 to 5 spans 256^6 blocks, an exbibyte. */
enum { IMAGE_LEVEL_MAX = 5 };

/* The root's ref comes first, so that whoever changes a root changes 16 bytes and nothing else. */
enum { IMAGE_RECORD_ROOT = 0 };

struct image_record {
    struct ref root;
    uint64_t image;                /* own number; 0 in a record that is not in use */
    uint64_t size;                 /* bytes */
    uint64_t parent;               /* image it was cloned from, or 0 */
    uint32_t flags;                /* enum store_image_flags */
    uint64_t shared;               /* blocks: store/store_shares.c; 0 unless it is reserved */
    uint8_t level;                 /* of the root page */
    char label[IMAGE_LABEL_BYTES]; /* NUL-terminated */
};

void image_record_encode(const struct image_record *record, uint8_t *bytes);

/* NULL and *ret_record set (image 0: not in use), or the reason, as a static string. */
const char *image_record_decode(const uint8_t *bytes, uint64_t image,
                                struct image_record *ret_record);

/* The level of the root page of an image of that size. */
static inline uint8_t image_level_for(uint64_t size)
{
    uint8_t level = 0;

    for (uint64_t span = REFS_PER_PAGE; span < blocks_for(size); span <<= REF_LEVEL_BITS) {
        level++;
    }
    return level;
}

#endif
