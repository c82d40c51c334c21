/* A journal batch whose checksum is right, and the records in it: each record lies within the batch
 * with all that it points to, and says the same when it is encoded again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "format/journal_batch.h"
#include "format/journal_record.h"
#include "fuzz.h"

enum { BLOCKS = 4 };

static void one_record(const struct journal_record *record, const uint8_t *from, size_t length)
{
    struct journal_record second;
    size_t again = 0;

    assert(length % 8 == 0);
    if (record->kind == JOURNAL_PAD)
        return;
    assert(journal_record_length(record) <= length);
    if (record->kind == JOURNAL_WRITE)
        assert(record->blocks > 0 && record->blocks <= JOURNAL_WRITE_BLOCKS_MAX &&
               record->crcs >= from && record->crcs + 4 * record->blocks <= from + length);
    if (record->label != NULL)
        assert((const uint8_t *)record->label >= from &&
               (const uint8_t *)record->label + strlen(record->label) < from + length);
    size_t bytes = journal_record_length(record);
    uint8_t *to = malloc(bytes);
    assert(to != NULL);
    journal_record_encode(record, to);
    assert(journal_record_decode(to, bytes, &second, &again) == NULL);
    assert(again == bytes && second.kind == record->kind && second.image == record->image);
    free(to);
}

static void records(const uint8_t *from, size_t left)
{
    while (left > 0) {
        struct journal_record record;
        size_t length = 0;

        if (journal_record_decode(from, left, &record, &length) != NULL)
            return;
        assert(length > 0 && length <= left);
        one_record(&record, from, length);
        from += length;
        left -= length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static _Alignas(8) uint8_t batch_bytes[BLOCKS * BLOCK_SIZE];
    struct journal_batch batch, sealed;
    const uint32_t seed = 0x12345678;

    memset(batch_bytes, 0, sizeof batch_bytes);
    memcpy(batch_bytes, bytes, length < sizeof batch_bytes ? length : sizeof batch_bytes);
    if (journal_batch_decode(batch_bytes, BLOCKS, &batch) != NULL)
        return 0;
    assert(journal_batch_blocks(batch.record_bytes, batch.inline_blocks) <= BLOCKS);
    journal_batch_seal(seed, &batch, batch_bytes);
    assert(journal_batch_decode(batch_bytes, BLOCKS, &sealed) == NULL);
    assert(journal_batch_verify(seed, &sealed, batch_bytes) == NULL);
    assert(journal_batch_verify(seed + 1, &sealed, batch_bytes) != NULL);
    /* a copy of the right length: a record that reaches behind it is found */
    uint8_t *copy = malloc((size_t)sealed.record_bytes + 1);
    assert(copy != NULL);
    memcpy(copy, batch_bytes + JOURNAL_BATCH_HEADER_BYTES, sealed.record_bytes);
    records(copy, sealed.record_bytes);
    free(copy);
    return 0;
}
