#include "format/journal_record.h"

#include <assert.h>
#include <string.h>

enum { AT_KIND = 0, AT_FLAGS = 2, AT_LENGTH = 4, AT_IMAGE = 8, HEAD_BYTES = 16 };
/* write and hole */
enum { AT_LBLOCK = 16, AT_BLOCKS = 24, HOLE_BYTES = 32, AT_PBLOCK = 32, AT_CRCS = 40 };
/* the rest */
enum { AT_SOURCE_OR_SIZE = 16, SIZE_BYTES = 24, AT_IMAGE_FLAGS = 24, AT_LABEL = 32 };
enum { LABEL_BYTES = AT_LABEL + IMAGE_LABEL_BYTES };

static size_t round_up_8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

size_t journal_record_length(const struct journal_record *record)
{
    switch (record->kind) {
    case JOURNAL_WRITE:
        return round_up_8(AT_CRCS + 4 * (size_t)record->blocks);
    case JOURNAL_HOLE:
        return HOLE_BYTES;
    case JOURNAL_CREATE:
    case JOURNAL_CLONE:
    case JOURNAL_LABEL:
    case JOURNAL_FLAGS:
        return LABEL_BYTES;
    case JOURNAL_RESIZE:
    case JOURNAL_ROLLBACK:
        return SIZE_BYTES;
    case JOURNAL_DELETE:
        return HEAD_BYTES;
    case JOURNAL_PAD:
    default:
        break;
    }
    assert(0 && "a pad has no length of its own");
    return 0;
}

void journal_record_encode(const struct journal_record *record, uint8_t *to)
{
    size_t length = journal_record_length(record);

    memset(to, 0, length < LABEL_BYTES ? length : LABEL_BYTES);
    le16_store(to + AT_KIND, (uint16_t)record->kind);
    le16_store(to + AT_FLAGS, (uint16_t)record->flags);
    le32_store(to + AT_LENGTH, (uint32_t)length);
    le64_store(to + AT_IMAGE, record->image);
    switch (record->kind) {
    case JOURNAL_WRITE:
        le64_store(to + AT_LBLOCK, record->lblock.n);
        le64_store(to + AT_BLOCKS, record->blocks);
        le64_store(to + AT_PBLOCK, record->pblock.n);
        memcpy(to + AT_CRCS, record->crcs, 4 * (size_t)record->blocks);
        memset(to + AT_CRCS + 4 * record->blocks, 0, length - AT_CRCS - 4 * record->blocks);
        break;
    case JOURNAL_HOLE:
        le64_store(to + AT_LBLOCK, record->lblock.n);
        le64_store(to + AT_BLOCKS, record->blocks);
        break;
    case JOURNAL_CREATE:
    case JOURNAL_CLONE:
    case JOURNAL_LABEL:
    case JOURNAL_FLAGS:
        le64_store(to + AT_SOURCE_OR_SIZE,
                   record->kind == JOURNAL_CLONE ? record->source : record->size);
        le32_store(to + AT_IMAGE_FLAGS, record->image_flags);
        if (record->label != NULL) {
            memcpy(to + AT_LABEL, record->label, strnlen(record->label, IMAGE_LABEL_BYTES - 1));
        }
        break;
    case JOURNAL_RESIZE:
        le64_store(to + AT_SOURCE_OR_SIZE, record->size);
        break;
    case JOURNAL_ROLLBACK:
        le64_store(to + AT_SOURCE_OR_SIZE, record->source);
        break;
    case JOURNAL_DELETE:
    case JOURNAL_PAD:
    default:
        break;
    }
}

void journal_pad_encode(size_t length, uint8_t *to)
{
    assert(length >= 8 && length % 8 == 0);
    le16_store(to + AT_KIND, JOURNAL_PAD);
    le16_store(to + AT_FLAGS, 0);
    le32_store(to + AT_LENGTH, (uint32_t)length);
}

static const char *decode_blocks(const uint8_t *from, struct journal_record *record)
{
    const uint64_t blocks_max = (uint64_t)1 << 52;

    record->lblock.n = le64_load(from + AT_LBLOCK);
    record->blocks = le64_load(from + AT_BLOCKS);
    if (record->blocks == 0 || record->blocks > blocks_max || record->lblock.n > blocks_max) {
        return "covers an impossible range";
    }
    if (record->kind != JOURNAL_WRITE) {
        return NULL;
    }
    if (record->blocks > JOURNAL_WRITE_BLOCKS_MAX ||
        record->lblock.n % REFS_PER_PAGE + record->blocks > REFS_PER_PAGE) {
        return "writes more than one leaf";
    }
    return NULL;
}

static const char *decode_body(const uint8_t *from, size_t length, struct journal_record *record)
{
    const char *refusal = NULL;

    switch (record->kind) {
    case JOURNAL_WRITE:
    case JOURNAL_HOLE:
        if (length < (record->kind == JOURNAL_WRITE ? (size_t)AT_CRCS : (size_t)HOLE_BYTES)) {
            return "is too short";
        }
        refusal = decode_blocks(from, record);
        if (refusal == NULL && record->kind == JOURNAL_WRITE) {
            record->pblock.n = le64_load(from + AT_PBLOCK);
            record->crcs = from + AT_CRCS;
        }
        return refusal;
    case JOURNAL_CREATE:
    case JOURNAL_CLONE:
    case JOURNAL_LABEL:
    case JOURNAL_FLAGS:
        if (length < LABEL_BYTES) {
            return "is too short";
        }
        record->source = record->size = le64_load(from + AT_SOURCE_OR_SIZE);
        record->image_flags = le32_load(from + AT_IMAGE_FLAGS);
        record->label = (const char *)from + AT_LABEL;
        return from[LABEL_BYTES - 1] == 0 ? NULL : "has an endless label";
    case JOURNAL_RESIZE:
    case JOURNAL_ROLLBACK:
        if (length < SIZE_BYTES) {
            return "is too short";
        }
        record->source = record->size = le64_load(from + AT_SOURCE_OR_SIZE);
        return NULL;
    case JOURNAL_DELETE:
    case JOURNAL_PAD:
        return NULL;
    default:
        return "is of unknown kind";
    }
}

const char *journal_record_decode(const uint8_t *from, size_t available,
                                  struct journal_record *ret_record, size_t *ret_length)
{
    struct journal_record record = {0};

    if (available < 8) {
        return "is cut off";
    }
    size_t length = le32_load(from + AT_LENGTH);
    record.kind = le16_load(from + AT_KIND);
    record.flags = le16_load(from + AT_FLAGS);
    if (length < 8 || length % 8 != 0 || length > available) {
        return "has an impossible length";
    }
    if (record.kind != JOURNAL_PAD) {
        if (length < HEAD_BYTES) {
            return "is too short";
        }
        record.image = le64_load(from + AT_IMAGE);
    }
    const char *refusal = decode_body(from, length, &record);
    if (refusal != NULL) {
        return refusal;
    }
    if (record.kind != JOURNAL_PAD && length != journal_record_length(&record)) {
        return "has a wrong length";
    }
    *ret_record = record;
    *ret_length = length;
    return NULL;
}
