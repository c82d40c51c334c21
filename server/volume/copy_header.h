/*
 * The first block of an image that holds a copy of the catalog, which proves that the copy is
 * whole; byte by byte in CATALOG_COPY.md. Pure.
 */
#ifndef VOLUME_COPY_HEADER_H
#define VOLUME_COPY_HEADER_H

#include <stddef.h>
#include <stdint.h>

enum { COPY_PIECE = 4096, COPY_IDENTITY_BYTES = 16 };

/* What SQLite could hold is more; what is read into memory ends here. */
#define COPY_LENGTH_MAX ((uint64_t)1 << 30)

struct copy_header {
    uint8_t identity[COPY_IDENTITY_BYTES]; /* of the catalog */
    uint64_t number;                       /* of its changes, above 0 */
    uint64_t length;                       /* bytes of the database, 512 to COPY_LENGTH_MAX */
    uint32_t crc;                          /* CRC-32C of them */
};

void copy_header_encode(const struct copy_header *header, uint8_t block[COPY_PIECE]);

/* NULL, or why it is no such block; then nothing is set. */
const char *copy_header_decode(const uint8_t block[COPY_PIECE], struct copy_header *ret_header);

#endif
