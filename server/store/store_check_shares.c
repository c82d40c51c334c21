/*
 * The recount's look at what is set aside: the superblock's sums over the image records, and of
 * each reserved image that it shares no more than its record says. Comes after the counts are
 * compared, and goes by the references that the recount found itself.
 */
#include <string.h>

#include "base/crc32c.h"
#include "store/check.h"

static bool is_shared(const struct check *c, struct pblock at)
{
    uint64_t group;
    unsigned index;

    return layout_locate(at, c->super.limit_blocks, &group, &index) && group < c->group_count &&
           c->groups[group] != NULL && c->groups[group]->found[index] > 1;
}

/* Blocks below that something else refers to, too. What is shared is not read. */
static uint64_t shared_below(struct check *c, struct ref ref, uint8_t level)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    uint64_t shared = 0;

    if (ref_is_hole(ref) || c->stopped != 0) {
        return 0;
    }
    if (is_shared(c, ref.at)) {
        return ref.mapped;
    }
    if (!check_page_bytes(c, ref, "a map page", bytes)) {
        return 0;
    }
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref child = ref_load(bytes + (size_t)i * REF_BYTES);

        if (level > 0) {
            shared += shared_below(c, child, (uint8_t)(level - 1));
        } else {
            shared += !ref_is_hole(child) && is_shared(c, child.at);
        }
    }
    return shared;
}

void check_note_record(struct check *c, const struct image_record *record)
{
    uint64_t blocks = blocks_for(record->size);

    if ((record->flags & STORE_IMAGE_RESERVED) == 0) {
        if (record->shared != 0) {
            check_problem(c,
                          "image %llu is not reserved, and its record says that %llu of its "
                          "blocks are shared",
                          (unsigned long long)record->image, (unsigned long long)record->shared);
        }
        return;
    }
    uint64_t own = record->root.mapped > record->shared ? record->root.mapped - record->shared : 0;
    c->set_aside += own < blocks ? blocks - own : 0;
    c->shared += record->shared;
}

static void check_record(struct check *c, const struct image_record *record)
{
    if ((record->flags & STORE_IMAGE_RESERVED) == 0) {
        return;
    }
    c->image = record->image;
    uint64_t shared = shared_below(c, record->root, record->level);
    c->image = 0;
    if (c->stopped == 0 && shared > record->shared) {
        check_problem(c,
                      "image %llu is reserved and shares %llu of its blocks, but its record says "
                      "%llu: too little is set aside",
                      (unsigned long long)record->image, (unsigned long long)shared,
                      (unsigned long long)record->shared);
    }
}

static void walk_table(struct check *c, struct ref ref, uint8_t level, uint64_t key)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];

    if (ref_is_hole(ref) || c->stopped != 0 ||
        !check_page_bytes(c, ref, "a page of the image table", bytes)) {
        return;
    }
    for (unsigned i = 0; level > 0 && i < REFS_PER_PAGE; i++) {
        walk_table(c, ref_load(bytes + (size_t)i * REF_BYTES), (uint8_t)(level - 1),
                   key + ((uint64_t)i << (level * REF_LEVEL_BITS)));
    }
    for (unsigned i = 0; level == 0 && i < IMAGE_RECORDS_PER_PAGE; i++) {
        uint64_t number = key / REFS_PER_PAGE * IMAGE_RECORDS_PER_PAGE + i;
        struct image_record record;

        if (image_record_decode(bytes + (size_t)i * IMAGE_RECORD_BYTES, number, &record) == NULL &&
            record.image != 0) {
            check_record(c, &record);
        }
    }
}

void check_shares(struct check *c)
{
    bool knows = (c->super.ro_compat & SUPERBLOCK_SHARES) != 0;

    /* a damaged map was told of; and what it says would be told again */
    if (!knows || c->result.problems > 0) {
        return;
    }
    if (!c->store->options.read_only &&
        (c->set_aside != c->super.reserved_blocks || c->shared != c->super.shared_blocks)) {
        check_problem(c,
                      "the superblock says %llu blocks are set aside and %llu shared, the image "
                      "records say %llu and %llu",
                      (unsigned long long)c->super.reserved_blocks,
                      (unsigned long long)c->super.shared_blocks, (unsigned long long)c->set_aside,
                      (unsigned long long)c->shared);
    }
    if (c->shared > 0 || c->set_aside > 0) {
        walk_table(c, c->super.table_root, FOREST_TABLE_LEVEL, 0);
    }
}
