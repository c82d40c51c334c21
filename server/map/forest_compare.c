/* Two trees side by side. */
#include "map/forest.h"

/* The same page or block, or nothing in both. A page whose count of mapped blocks is saturated is
 * looked into, so that its blocks can be counted. */
static bool is_same(struct ref a, struct ref b, uint8_t level)
{
    return a.kind == b.kind && a.at.n == b.at.n && (level == 0 || a.mapped != UINT32_MAX);
}

/* One of the two trees, on the way down to a key. */
struct side {
    struct ref ref; /* what it has at the present level */
    uint8_t level;  /* of its root */
    bool begun;     /* the present level is not above its root */
};

static struct side side_of(struct forest_root root, uint64_t key)
{
    bool inside = key >> ((root.level + 1) * REF_LEVEL_BITS) == 0;
    bool nothing = ref_is_hole(root.ref) || !inside;

    return (struct side){
        .ref = nothing ? ref_hole() : root.ref, .level = root.level, .begun = nothing};
}

/* From `level` one down, where there is something. */
static int go_down(struct forest *forest, struct side *side, uint8_t level, uint64_t key)
{
    struct page *page;

    if (!side->begun || ref_is_hole(side->ref)) {
        return 0;
    }
    int r = forest_page(forest, side->ref, (uint8_t)(RANK_IMAGE + level), &page);
    if (r == 0) {
        side->ref = ref_load(page->bytes + (size_t)key_index(key, level) * REF_BYTES);
    }
    return r;
}

static int leaf_of(struct forest *forest, const struct side *side, const struct page **ret_leaf)
{
    struct page *page = NULL;
    int r = ref_is_hole(side->ref) ? 0 : forest_page(forest, side->ref, RANK_IMAGE, &page);

    *ret_leaf = page;
    return r;
}

int forest_compare(struct forest *forest, struct forest_root from, struct forest_root to,
                   uint64_t key, struct forest_comparison *ret_comparison)
{
    struct side a = side_of(from, key);
    struct side b = side_of(to, key);
    int r;

    for (uint8_t level = from.level > to.level ? from.level : to.level;; level--) {
        uint64_t span = (uint64_t)1 << ((level + 1) * REF_LEVEL_BITS);

        a.begun = a.begun || level == a.level;
        b.begun = b.begun || level == b.level;
        ret_comparison->span = span - (key & (span - 1));
        ret_comparison->same = a.begun && b.begun && is_same(a.ref, b.ref, level);
        ret_comparison->mapped = ret_comparison->same ? a.ref.mapped : 0;
        if (ret_comparison->same) {
            return 0;
        }
        if (level == 0) {
            break;
        }
        if ((r = go_down(forest, &a, level, key)) != 0 ||
            (r = go_down(forest, &b, level, key)) != 0) {
            return r;
        }
    }
    r = leaf_of(forest, &a, &ret_comparison->from);
    return r != 0 ? r : leaf_of(forest, &b, &ret_comparison->to);
}
