#include "map/forest.h"

int forest_find(struct forest *forest, struct ref root, uint8_t level, uint8_t rank, uint64_t key,
                struct page **ret_page, uint64_t *ret_span)
{
    struct ref ref = root;

    for (;; level--) {
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
        if (level == 0) {
            *ret_page = page;
            *ret_span = REFS_PER_PAGE - key_index(key, 0);
            return 0;
        }
        ref = ref_load(page->bytes + (size_t)key_index(key, level) * REF_BYTES);
    }
}
