/* Two images side by side: what differs, and how much they share. */
#include <assert.h>
#include <errno.h>
#include <varve/error.h>

#include "store/internal.h"

/* An image as a walk sees it: its tree, and how many blocks of it count. After a shrink that was
 * interrupted more are mapped. */
struct half {
    struct forest_root root;
    uint64_t blocks;
};

static struct half half_of(const struct image_record *record, uint64_t key)
{
    struct half half = {.root = {.ref = record->root, .level = record->level},
                        .blocks = blocks_for(record->size)};

    if (key >= half.blocks) {
        half.root.ref = ref_hole();
    }
    return half;
}

/* Keys from `key` on that lie on the same side of both ends. */
static uint64_t to_next_end(const struct half *a, const struct half *b, uint64_t key)
{
    uint64_t left = UINT64_MAX;

    if (key < a->blocks) {
        left = a->blocks - key;
    }
    return key < b->blocks ? min_u64(left, b->blocks - key) : left;
}

/* 0, FOREST_NEED or -errno. */
static int compare_at(struct store *store, const struct image_record *from,
                      const struct image_record *to, uint64_t key,
                      struct forest_comparison *ret_comparison)
{
    struct half a = half_of(from, key);
    struct half b = half_of(to, key);
    int r = forest_compare(&store->forest, a.root, b.root, key, ret_comparison);

    ret_comparison->span = min_u64(ret_comparison->span, to_next_end(&a, &b, key));
    return r;
}

static struct ref leaf_ref(const struct page *leaf, uint64_t key)
{
    return leaf == NULL ? ref_hole()
                        : ref_load(leaf->bytes + (size_t)key_index(key, 0) * REF_BYTES);
}

static bool is_same_block(struct ref a, struct ref b)
{
    return a.kind == b.kind && a.at.n == b.at.n;
}

/* --- differences ---- */

struct answer {
    struct store_difference *differences;
    unsigned max, count;
    uint64_t offset, end; /* bytes: what is not answered yet */
};

/* The next `blocks` blocks, at most to the end of what was asked for. False: the list is full. */
static bool add(struct answer *answer, uint64_t blocks, enum store_comparison what)
{
    uint64_t first = answer->offset >> BLOCK_SHIFT;
    uint64_t left = blocks_for(answer->end) - first;
    uint64_t to = blocks >= left ? answer->end : (first + blocks) << BLOCK_SHIFT;
    struct store_difference *last =
        answer->count > 0 ? &answer->differences[answer->count - 1] : NULL;

    if (last != NULL && last->what == what) {
        last->length += to - answer->offset;
    } else if (answer->count == answer->max) {
        return false;
    } else {
        answer->differences[answer->count++] = (struct store_difference){
            .offset = answer->offset, .length = to - answer->offset, .what = what};
    }
    answer->offset = to;
    return true;
}

/* Goes on by one leaf, or by a subtree that is the same in both. False: the list is full. */
static bool answer_piece(struct answer *answer, const struct forest_comparison *comparison)
{
    uint64_t key = answer->offset >> BLOCK_SHIFT;

    if (comparison->same) {
        return add(answer, comparison->span, STORE_SAME);
    }
    for (uint64_t i = 0; i < comparison->span && answer->offset < answer->end; i++) {
        struct ref a = leaf_ref(comparison->from, key + i);
        struct ref b = leaf_ref(comparison->to, key + i);
        enum store_comparison what = is_same_block(a, b) ? STORE_SAME
                                     : ref_is_hole(b)    ? STORE_DIFF_HOLE
                                                         : STORE_DIFF_DATA;

        if (!add(answer, 1, what)) {
            return false;
        }
    }
    return true;
}

int store_compare(struct store *store, struct store_image *from, struct store_image *to,
                  uint64_t length, uint64_t offset, struct store_difference *ret_differences,
                  unsigned max)
{
    struct answer answer = {
        .differences = ret_differences, .max = max, .offset = offset, .end = offset + length};
    unsigned steps = 0;
    int r = 0;

    assert(max > 0);
    if (length == 0 || answer.end < offset) {
        return varve_fail(EINVAL, "a comparison of %llu bytes at %llu is none",
                          (unsigned long long)length, (unsigned long long)offset);
    }
    pthread_mutex_lock(&store->lock);
    while (r == 0 && answer.offset < answer.end) {
        struct forest_comparison comparison;

        r = compare_at(store, &from->record, &to->record, answer.offset >> BLOCK_SHIFT,
                       &comparison);
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
        } else if (r == 0) {
            if (!answer_piece(&answer, &comparison)) {
                break;
            }
            store_walk_on_locked(store, &steps);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return r < 0 ? r : (int)answer.count;
}

/* --- what is shared ---- */

static uint64_t shared_in_leaves(const struct forest_comparison *comparison, uint64_t key)
{
    uint64_t shared = 0;

    for (uint64_t i = 0; i < comparison->span; i++) {
        struct ref a = leaf_ref(comparison->from, key + i);

        shared += !ref_is_hole(a) && is_same_block(a, leaf_ref(comparison->to, key + i));
    }
    return shared;
}

/* Both records in one hold of the lock. The lock may be let go before. */
static int records_locked(struct store *store, const uint64_t *numbers,
                          struct image_record *ret_records)
{
    for (;;) {
        int r = image_record_now(store, numbers[0], &ret_records[0]);

        if (r == 0) {
            r = image_record_now(store, numbers[1], &ret_records[1]);
        }
        if (r != FOREST_NEED || (r = store_provide_locked(store)) < 0) {
            return r;
        }
    }
}

int store_images_shared(struct store *store, uint64_t a, uint64_t b, uint64_t *ret_bytes)
{
    const uint64_t numbers[2] = {a, b};
    uint64_t shared = 0;
    uint64_t key = 0;
    unsigned steps = 0;
    int r = 0;

    pthread_mutex_lock(&store->lock);
    for (;;) {
        struct image_record records[2];
        struct forest_comparison comparison;

        if ((r = records_locked(store, numbers, records)) < 0 ||
            key >= min_u64(blocks_for(records[0].size), blocks_for(records[1].size))) {
            break;
        }
        /* not compare_at: a subtree is counted as a whole, with what lies past a new end */
        r = forest_compare(&store->forest, (struct forest_root){records[0].root, records[0].level},
                           (struct forest_root){records[1].root, records[1].level}, key,
                           &comparison);
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
        } else if (r == 0) {
            shared += comparison.same ? comparison.mapped : shared_in_leaves(&comparison, key);
            key += comparison.span;
            store_walk_on_locked(store, &steps);
        }
        if (r < 0) {
            break;
        }
    }
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        *ret_bytes = shared << BLOCK_SHIFT;
    }
    return r;
}
