/*
 * CRC-32C (Castagnoli), and the seeded form in which every checksum of the store is kept: the seed
 * is the store's identity and the block's address, so that the right bytes in the wrong place, or
 * in another store, do not match.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#include "base/block.h"

/* Continues `crc` (0 to begin) over the bytes. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);

/* The seed of a store, from its 16 bytes of identity. */
uint32_t crc32c_store_seed(const uint8_t identity[16]);

/* The checksum of the block that lies at `at`. */
uint32_t crc32c_block(uint32_t store_seed, struct pblock at, const void *block);

#endif
