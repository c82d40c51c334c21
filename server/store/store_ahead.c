/*
 * Reads that begin before they are asked for. Nothing is locked but the map while it is looked at:
 * a place that is given to something else meanwhile was read for nothing, and who reads a block
 * looks it up again.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/block.h"
#include "store/internal.h"
#include "store/store_data.h"

enum {
    DATA_REQUESTS = (int)(STORE_AHEAD_MAX / BLOCK_SIZE), /* each block in a place of its own */
    AHEAD_REQUESTS = DATA_REQUESTS + 8,                  /* and some of the map */
    SAMPLES = 4,
    RUN_LONG = 256 << 10, /* bytes: of such runs the kernel sees that they are read in a row */
    /* bytes that are read with what is on both sides of them, to have one request less: of one
     * block that is a gain, of two it makes no difference, of four it is a loss */
    GAP_MAX = 4096,
};

struct ahead_list {
    struct io_request requests[AHEAD_REQUESTS];
    unsigned count;
};

static int compare_requests(const void *a, const void *b)
{
    const struct io_request *left = a, *right = b;

    return (left->offset > right->offset) - (left->offset < right->offset);
}

void store_sort_requests(struct io_request *requests, size_t count)
{
    qsort(requests, count, sizeof requests[0], compare_requests);
}

static void add_locked(struct store *store, struct ahead_list *list, struct ref ref)
{
    struct extent_block held;
    struct io_request *last = list->count > 0 ? &list->requests[list->count - 1] : NULL;

    if (ref.kind != REF_HERE || open_extents_find(&store->extents, ref.at, &held)) {
        return;
    }
    if (last != NULL && last->offset + last->length == pblock_offset(ref.at)) {
        last->length += BLOCK_SIZE;
    } else if (list->count < AHEAD_REQUESTS) {
        list->requests[list->count++] = (struct io_request){.op = IO_READ,
                                                            .file = IO_EXTENTS,
                                                            .offset = pblock_offset(ref.at),
                                                            .length = BLOCK_SIZE};
    }
}

/* The leaf of the block `first`, NULL in a hole; *ret_span: blocks up to its end, or the hole's.
 * Not 0: it, or a page on the way to it, is not in memory, and that page is what is read ahead. */
static int leaf_locked(struct store *store, const struct store_image *image,
                       struct ahead_list *list, uint64_t first, struct page **ret_leaf,
                       uint64_t *ret_span)
{
    struct forest *forest = &store->forest;
    int r = forest_find(forest, image->record.root, image->record.level, RANK_IMAGE, first,
                        ret_leaf, ret_span);

    if (r == FOREST_NEED && forest->need.kind == NEED_PAGE) {
        add_locked(store, list, forest->need.ref);
    }
    return r;
}

/* What one leaf says of the blocks from *first to `end`; *first goes on behind. */
static void add_leaf_locked(struct store *store, const struct store_image *image,
                            struct ahead_list *list, uint64_t *first, uint64_t end)
{
    struct page *leaf = NULL;
    uint64_t span = 0;
    int r = leaf_locked(store, image, list, *first, &leaf, &span);
    uint64_t to = r == 0 ? *first + min_u64(span, end - *first) : end;

    for (uint64_t i = *first; r == 0 && leaf != NULL && i < to; i++) {
        add_locked(store, list, ref_load(leaf->bytes + (size_t)key_index(i, 0) * REF_BYTES));
    }
    *first = to;
}

/* Puts the list into the order of the device, and neighbours together. */
static void arrange(struct ahead_list *list)
{
    struct io_request *last = list->requests;

    store_sort_requests(list->requests, list->count);
    for (unsigned i = 1; i < list->count; i++) {
        const struct io_request *next = &list->requests[i];

        if (next->offset <= last->offset + last->length + GAP_MAX) {
            last->length =
                max_u64(last->offset + last->length, next->offset + next->length) - last->offset;
        } else {
            *++last = *next;
        }
    }
    list->count = list->count > 0 ? (unsigned)(last - list->requests) + 1 : 0;
}

void store_read_ahead(struct store *store, struct store_image *image,
                      const struct store_ahead *ranges, unsigned count)
{
    struct ahead_list list; /* of 25 KiB */

    list.count = 0;
    pthread_mutex_lock(&store->lock);
    for (unsigned i = 0; i < count; i++) {
        if (ranges[i].length == 0 ||
            !byte_range_fits(image->record.size, ranges[i].offset, ranges[i].length)) {
            continue;
        }
        struct byte_range range = byte_range_of(ranges[i].offset, ranges[i].length);

        while (range.start < range.end) {
            add_leaf_locked(store, image, &list, &range.start, range.end);
        }
    }
    pthread_mutex_unlock(&store->lock);
    arrange(&list);
    store->io->ops->read_ahead(store->io, list.requests, list.count);
}

/* The blocks from `first` to `end`. The map is waited for: most of it was begun with the range
 * before this one, and the reader would have to wait for it before any data. */
static void add_row_locked(struct store *store, const struct store_image *image,
                           struct ahead_list *list, uint64_t first, uint64_t end)
{
    while (first < end && first < blocks_for(image->record.size)) {
        struct page *leaf;
        uint64_t span;

        if (forest_find(&store->forest, image->record.root, image->record.level, RANK_IMAGE, first,
                        &leaf, &span) == FOREST_NEED) {
            if (store_provide_locked(store) < 0) {
                return; /* who reads it is told */
            }
        } else {
            add_leaf_locked(store, image, list, &first, end);
        }
    }
}

static void add_map_locked(struct store *store, const struct store_image *image,
                           struct ahead_list *list, uint64_t first, uint64_t end)
{
    while (first < end && first < blocks_for(image->record.size)) {
        struct page *leaf;
        uint64_t span;

        if (leaf_locked(store, image, list, first, &leaf, &span) != 0) {
            span = REFS_PER_PAGE - key_index(first, 0);
        }
        first += min_u64(span, end - first);
    }
}

/* The kernel's own read-ahead is made for that, and two of them are slower than one. */
static bool lies_in_row(const struct ahead_list *list, uint64_t length)
{
    return list->count == 1 || length / list->count >= RUN_LONG;
}

static bool is_in_memory(struct store *store, const struct io_request *request, size_t at)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    struct io_request sample = {.op = IO_READ,
                                .file = IO_EXTENTS,
                                .flags = IO_NOWAIT,
                                .offset = request->offset + at,
                                .length = BLOCK_SIZE,
                                .buffer = bytes};

    return store->io->ops->perform(store->io, &sample, 1) == 0;
}

/* As far as blocks at its start, at its end and between tell. */
static bool all_in_memory(struct store *store, const struct ahead_list *list)
{
    bool found = true;

    for (unsigned i = 0; i < SAMPLES && found; i++) {
        const struct io_request *request = &list->requests[(list->count - 1) * i / (SAMPLES - 1)];
        size_t blocks = request->length / BLOCK_SIZE;

        found = is_in_memory(store, request, (blocks - 1) * i / (SAMPLES - 1) * BLOCK_SIZE);
    }
    return found;
}

bool store_read_ahead_in_row(struct store *store, struct store_image *image, uint64_t length,
                             uint64_t offset)
{
    struct byte_range range = byte_range_of(offset, length);
    uint64_t behind = range.end + (range.end - range.start);
    struct ahead_list list; /* of 25 KiB */

    assert(length > 0 && length <= STORE_AHEAD_MAX);
    list.count = 0;
    pthread_mutex_lock(&store->lock);
    add_row_locked(store, image, &list, range.start, range.end);
    pthread_mutex_unlock(&store->lock);
    arrange(&list);
    if (list.count > 0 && (lies_in_row(&list, length) || all_in_memory(store, &list))) {
        return true;
    }
    pthread_mutex_lock(&store->lock);
    add_map_locked(store, image, &list, range.end, behind);
    pthread_mutex_unlock(&store->lock);
    store->io->ops->read_ahead(store->io, list.requests, list.count);
    return false;
}
