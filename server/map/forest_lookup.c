#include "map/forest.h"

int forest_find_level(struct forest *forest, struct forest_root root, uint8_t rank, uint64_t key,
                      uint8_t bottom, struct page **ret_page, uint64_t *ret_span)
{
    struct ref ref = root.ref;

    for (uint8_t level = root.level;; level--) {
        struct page *page;
        int r;

        if (ref_is_hole(ref)) {
            uint64_t span = (uint64_t)1 << ((level + 1) * REF_LEVEL_BITS);

            *ret_page = NULL;
            *ret_span = span - (key & (span - 1));
            return 0;
        }
        if ((r = forest_page(forest, ref, (uint8_t)(rank + level), &page)) != 0) {
            return r;
        }
        if (level == bottom) {
            uint64_t span = (uint64_t)1 << ((level + 1) * REF_LEVEL_BITS);

            *ret_page = page;
            *ret_span = span - (key & (span - 1));
            return 0;
        }
        ref = ref_load(page->bytes + (size_t)key_index(key, level) * REF_BYTES);
    }
}

int forest_find(struct forest *forest, struct ref root, uint8_t level, uint8_t rank, uint64_t key,
                struct page **ret_page, uint64_t *ret_span)
{
    return forest_find_level(forest, (struct forest_root){root, level}, rank, key, 0, ret_page,
                             ret_span);
}
