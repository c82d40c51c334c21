/* Who has a leaf for himself. */
#include "map/forest.h"

int forest_find_alone(struct forest *forest, struct forest_root root, uint8_t rank, uint64_t key,
                      struct forest_alone *ret_alone)
{
    struct ref ref = root.ref;
    bool shared = false;

    for (uint8_t level = root.level;; level--) {
        uint64_t span = (uint64_t)1 << ((level + 1) * REF_LEVEL_BITS);
        struct page *page = NULL;
        int r = ref_is_hole(ref) ? 0 : forest_ready(forest, ref.at);

        if (r == 0 && !ref_is_hole(ref)) {
            r = forest_page(forest, ref, (uint8_t)(rank + level), &page);
        }
        if (r != 0) {
            return r;
        }
        shared = shared || (page != NULL && space_count(forest->space, ref.at) > 1);
        /* a shared subtree is passed over as a whole when it begins here */
        if (page == NULL || level == 0 || (shared && (key & (span - 1)) == 0)) {
            *ret_alone = (struct forest_alone){.leaf = shared ? NULL : page,
                                               .span = span - (key & (span - 1)),
                                               .mapped = ref.mapped,
                                               .shared = shared};
            return 0;
        }
        ref = ref_load(page->bytes + (size_t)key_index(key, level) * REF_BYTES);
    }
}
