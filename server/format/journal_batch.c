#include "format/journal_batch.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

enum {
    AT_MAGIC = 0,
    AT_CRC = 4,
    AT_SEQ = 8,
    AT_SESSION = 16,
    AT_DURABLE_SEQ = 24,
    AT_CHECKPOINT = 32,
    AT_LSN = 40,
    AT_RECORD_BYTES = 48,
    AT_INLINE_BLOCKS = 52,
    AT_RECORDS = JOURNAL_BATCH_HEADER_BYTES,
};

#define MAGIC ((uint32_t)0x4c4e4a56) /* "VJNL" */

size_t journal_batch_addresses_at(const struct journal_batch *batch)
{
    return AT_RECORDS + (size_t)batch->record_bytes;
}

size_t journal_batch_data_at(const struct journal_batch *batch)
{
    size_t head = journal_batch_addresses_at(batch) + 8 * (size_t)batch->inline_blocks;

    return (size_t)(blocks_for(head) << BLOCK_SHIFT);
}

uint64_t journal_batch_blocks(uint32_t record_bytes, uint32_t inline_blocks)
{
    struct journal_batch batch = {.record_bytes = record_bytes, .inline_blocks = inline_blocks};

    return (journal_batch_data_at(&batch) >> BLOCK_SHIFT) + inline_blocks;
}

static size_t batch_length(const struct journal_batch *batch)
{
    return (size_t)(journal_batch_blocks(batch->record_bytes, batch->inline_blocks) << BLOCK_SHIFT);
}

void journal_batch_seal(uint32_t store_seed, const struct journal_batch *batch, uint8_t *bytes)
{
    size_t used = journal_batch_addresses_at(batch) + 8 * (size_t)batch->inline_blocks;

    memset(bytes, 0, AT_RECORDS);
    memset(bytes + used, 0, journal_batch_data_at(batch) - used);
    le32_store(bytes + AT_MAGIC, MAGIC);
    le64_store(bytes + AT_SEQ, batch->seq);
    le64_store(bytes + AT_SESSION, batch->session);
    le64_store(bytes + AT_DURABLE_SEQ, batch->durable_seq);
    le64_store(bytes + AT_CHECKPOINT, batch->checkpoint);
    le64_store(bytes + AT_LSN, batch->lsn);
    le32_store(bytes + AT_RECORD_BYTES, batch->record_bytes);
    le32_store(bytes + AT_INLINE_BLOCKS, batch->inline_blocks);
    le32_store(bytes + AT_CRC, crc32c(store_seed, bytes + AT_SEQ, batch_length(batch) - AT_SEQ));
}

const char *journal_batch_decode(const uint8_t *first_block, uint64_t blocks_left,
                                 struct journal_batch *ret_batch)
{
    if (le32_load(first_block + AT_MAGIC) != MAGIC) {
        return "has no batch magic";
    }
    struct journal_batch batch = {
        .seq = le64_load(first_block + AT_SEQ),
        .session = le64_load(first_block + AT_SESSION),
        .durable_seq = le64_load(first_block + AT_DURABLE_SEQ),
        .checkpoint = le64_load(first_block + AT_CHECKPOINT),
        .lsn = le64_load(first_block + AT_LSN),
        .record_bytes = le32_load(first_block + AT_RECORD_BYTES),
        .inline_blocks = le32_load(first_block + AT_INLINE_BLOCKS),
    };
    if (batch.record_bytes % 8 != 0 || batch.record_bytes > JOURNAL_BATCH_BYTES_MAX ||
        batch.inline_blocks > JOURNAL_BATCH_BYTES_MAX >> BLOCK_SHIFT) {
        return "has an impossible length";
    }
    if (journal_batch_blocks(batch.record_bytes, batch.inline_blocks) > blocks_left) {
        return "does not fit into the journal";
    }
    *ret_batch = batch;
    return NULL;
}

const char *journal_batch_verify(uint32_t store_seed, const struct journal_batch *batch,
                                 const uint8_t *bytes)
{
    uint32_t crc = crc32c(store_seed, bytes + AT_SEQ, batch_length(batch) - AT_SEQ);

    return le32_load(bytes + AT_CRC) == crc ? NULL : "has a wrong checksum";
}
