/*
 * A journal batch: what one group commit writes, a run of whole blocks in the journal's ring.
 * FORMAT.md, "Journal batch".
 *
 *   header (96 bytes) · records · addresses of the blocks inside, 8 bytes each · zeroes to the next
 *   block · the blocks inside
 */
#ifndef FORMAT_JOURNAL_BATCH_H
#define FORMAT_JOURNAL_BATCH_H

#include <stddef.h>

#include "base/block.h"

enum { JOURNAL_BATCH_HEADER_BYTES = 96 };

/* At most this much of records, and as much again of data, in one batch. */
#define JOURNAL_BATCH_BYTES_MAX ((uint32_t)64 << 20)

struct journal_batch {
    uint64_t seq;         /* one more than the batch before */
    uint64_t session;     /* the open that wrote it */
    uint64_t durable_seq; /* the last batch that was known to be durable when this was written */
    uint64_t checkpoint;  /* the newest durable checkpoint at that time */
    uint64_t lsn;         /* of the first record */
    uint32_t record_bytes;
    uint32_t inline_blocks; /* data blocks inside */
};

/* The batch's size in the ring, in blocks. */
uint64_t journal_batch_blocks(uint32_t record_bytes, uint32_t inline_blocks);

/* Where its parts lie, in bytes from its start. */
size_t journal_batch_addresses_at(const struct journal_batch *batch);
size_t journal_batch_data_at(const struct journal_batch *batch);

/* Completes a batch whose records, addresses and blocks are in place: header, padding, checksum. */
void journal_batch_seal(uint32_t store_seed, const struct journal_batch *batch, uint8_t *bytes);

/* Reads the header in the first block. NULL and *ret_batch set, or the reason; the checksum is not
 * verified yet. `blocks_left` is what the ring has from there to its end. */
const char *journal_batch_decode(const uint8_t *first_block, uint64_t blocks_left,
                                 struct journal_batch *ret_batch);

/* NULL when the whole batch is as it was written. */
const char *journal_batch_verify(uint32_t store_seed, const struct journal_batch *batch,
                                 const uint8_t *bytes);

#endif
