/*
 * Reads that begin before they are asked for. Nothing is locked but the map while it is looked at:
 * a place that is given to something else meanwhile was read for nothing, and who reads a block
 * looks it up again.
 */
#include "base/block.h"
#include "store/internal.h"
#include "store/store_data.h"

enum { AHEAD_REQUESTS = 64 };

struct ahead_list {
    struct io_request requests[AHEAD_REQUESTS];
    unsigned count;
};

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

/* What one leaf says of the blocks from *first to `end`; *first goes on behind. When the leaf, or a
 * page on the way to it, is not in memory, that page is what is read ahead. */
static void add_leaf_locked(struct store *store, const struct store_image *image,
                            struct ahead_list *list, uint64_t *first, uint64_t end)
{
    const struct forest *forest = &store->forest;
    struct page *leaf = NULL;
    uint64_t span = 0;
    int r = forest_find(&store->forest, image->record.root, image->record.level, RANK_IMAGE, *first,
                        &leaf, &span);
    uint64_t to = r == 0 ? *first + min_u64(span, end - *first) : end;

    if (r == FOREST_NEED && forest->need.kind == NEED_PAGE) {
        add_locked(store, list, forest->need.ref);
    }
    for (uint64_t i = *first; leaf != NULL && i < to; i++) {
        add_locked(store, list, ref_load(leaf->bytes + (size_t)key_index(i, 0) * REF_BYTES));
    }
    *first = to;
}

void store_read_ahead(struct store *store, struct store_image *image,
                      const struct store_ahead *ranges, unsigned count)
{
    struct ahead_list list = {.count = 0};

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
    store->io->ops->read_ahead(store->io, list.requests, list.count);
}
