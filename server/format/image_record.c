#include "format/image_record.h"

#include <string.h>

enum {
    AT_ROOT = IMAGE_RECORD_ROOT,
    AT_IMAGE = 16,
    AT_SIZE = 24,
    AT_PARENT = 32,
    AT_FLAGS = 40,
    AT_LEVEL = 44,
    AT_SHARED = 48,
    AT_LABEL = 64,
};
_Static_assert(AT_LABEL + IMAGE_LABEL_BYTES <= IMAGE_RECORD_BYTES, "the label fits");
_Static_assert((size_t)IMAGE_RECORD_BYTES *IMAGE_RECORDS_PER_PAGE == BLOCK_SIZE,
               "records fill a page");

void image_record_encode(const struct image_record *record, uint8_t *bytes)
{
    memset(bytes, 0, IMAGE_RECORD_BYTES);
    ref_store(bytes + AT_ROOT, record->root);
    le64_store(bytes + AT_IMAGE, record->image);
    le64_store(bytes + AT_SIZE, record->size);
    le64_store(bytes + AT_PARENT, record->parent);
    le32_store(bytes + AT_FLAGS, record->flags);
    bytes[AT_LEVEL] = record->level;
    le64_store(bytes + AT_SHARED, record->shared);
    memcpy(bytes + AT_LABEL, record->label, strnlen(record->label, IMAGE_LABEL_BYTES - 1));
}

const char *image_record_decode(const uint8_t *bytes, uint64_t image,
                                struct image_record *ret_record)
{
    struct image_record record = {
        .root = ref_load(bytes + AT_ROOT),
        .image = le64_load(bytes + AT_IMAGE),
        .size = le64_load(bytes + AT_SIZE),
        .parent = le64_load(bytes + AT_PARENT),
        .flags = le32_load(bytes + AT_FLAGS),
        .level = bytes[AT_LEVEL],
        .shared = le64_load(bytes + AT_SHARED),
    };

    if (record.image == 0) {
        memset(ret_record, 0, sizeof *ret_record);
        return NULL;
    }
    if (record.image != image) {
        return "belongs to another image";
    }
    if (record.root.kind > REF_HERE) {
        return "has a root of unknown kind";
    }
    if (record.level > IMAGE_LEVEL_MAX || record.level < image_level_for(record.size)) {
        return "has a map too small for its size";
    }
    memcpy(record.label, bytes + AT_LABEL, IMAGE_LABEL_BYTES - 1);
    *ret_record = record;
    return NULL;
}
