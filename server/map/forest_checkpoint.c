/* Filling in the checksums of children that a checkpoint has computed. */
#include <assert.h>

#include "map/forest.h"

void forest_fill_slot(struct forest *forest, struct slot slot)
{
    struct ref ref = slot_load(slot);

    if (ref_is_hole(ref) || ref.crc != 0) {
        return;
    }
    const struct page *child = page_find(forest->cache, ref.at);
    if (child != NULL && child->frozen) {
        ref.crc = child->crc;
        slot_store(slot, ref);
    }
}

static void fill_page(struct forest *forest, struct page *page)
{
    unsigned stride = page->rank == RANK_TABLE ? IMAGE_RECORD_BYTES : REF_BYTES;

    if (page->rank == RANK_IMAGE) {
        return; /* a leaf: the checksums of data are there from the start */
    }
    for (unsigned at = 0; at < BLOCK_SIZE; at += stride) {
        forest_fill_slot(forest, (struct slot){page, at});
    }
}

void forest_fill_frozen(struct forest *forest, unsigned rank)
{
    for (struct page *p = page_cache_frozen(forest->cache, rank); p != NULL; p = p->list_next) {
        fill_page(forest, p);
    }
}

void forest_fill_dirty(struct forest *forest)
{
    for (struct page *p = page_cache_dirty(forest->cache); p != NULL; p = p->list_next) {
        if (!p->dead) {
            fill_page(forest, p);
        }
    }
    forest_fill_slot(forest, forest_table(forest).root);
    forest_fill_slot(forest, forest_trash_tree(forest).root);
}
