/* A page of the image table, and a map page: sixteen records, each either refused or one that says
 * the same when it is encoded again; 256 refs that survive the way through memory. */
#include <assert.h>
#include <string.h>

#include "base/block.h"
#include "format/image_record.h"
#include "format/ref.h"
#include "fuzz.h"

static void records(const uint8_t *page, uint64_t first)
{
    for (unsigned i = 0; i < IMAGE_RECORDS_PER_PAGE; i++) {
        struct image_record record, second;
        uint8_t bytes[IMAGE_RECORD_BYTES], again[IMAGE_RECORD_BYTES];

        if (image_record_decode(page + (size_t)i * IMAGE_RECORD_BYTES, first + i, &record) != NULL)
            continue;
        assert(memchr(record.label, '\0', sizeof record.label) != NULL);
        assert(record.level <= IMAGE_LEVEL_MAX);
        image_record_encode(&record, bytes);
        assert(image_record_decode(bytes, first + i, &second) == NULL);
        image_record_encode(&second, again);
        assert(memcmp(bytes, again, sizeof bytes) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static uint8_t page[BLOCK_SIZE];

    memset(page, 0, sizeof page);
    if (length > 1)
        memcpy(page, bytes + 1, length - 1 < sizeof page ? length - 1 : sizeof page);
    records(page, length > 0 ? bytes[0] * (uint64_t)IMAGE_RECORDS_PER_PAGE : 0);
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        uint8_t again[REF_BYTES];

        ref_store(again, ref_load(page + (size_t)i * REF_BYTES));
        assert(memcmp(again, page + (size_t)i * REF_BYTES, REF_BYTES) == 0);
    }
    return 0;
}
