/*
 * Reading: look the blocks up, take those in open extents from memory, fetch the rest in one
 * submission, verify, done. The range lock keeps every block that was looked up in use until then.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "store/internal.h"
#include "store/store_data.h"

enum { READ_TRIES = 3 };

/* What one leaf says about a run of blocks; or the leaves of some blocks about these. */
struct piece {
    struct lblock first;
    const uint64_t *scattered; /* the blocks, when they are no run */
    unsigned count, requests;
    unsigned flags; /* of its io_requests */
    struct ref refs[REFS_PER_PAGE];
    struct extent_block held[REFS_PER_PAGE]; /* extent NULL: not in an open extent */
    struct io_request request[REFS_PER_PAGE];
};

static struct lblock block_of(const struct piece *piece, unsigned i)
{
    return lblock_at(piece->scattered != NULL ? piece->scattered[i] : piece->first.n + i);
}

/* *ret_leaf is NULL in a hole. The lock may be let go before. */
static int find_leaf(struct store *store, const struct store_image *image, struct lblock lblock,
                     unsigned flags, struct page **ret_leaf)
{
    uint64_t span = 0;
    int r = FOREST_NEED;

    while (r == FOREST_NEED) {
        r = forest_find(&store->forest, image->record.root, image->record.level, RANK_IMAGE,
                        lblock.n, ret_leaf, &span);
        if (r == FOREST_NEED) {
            int provided = flags & IO_NOWAIT ? -EAGAIN : store_provide_locked(store);
            r = provided < 0 ? provided : r;
        }
    }
    return r;
}

/* Takes over what the leaf says of block i of the piece. */
static void look_at(struct store *store, struct piece *piece, unsigned i, const struct page *leaf)
{
    unsigned index = key_index(block_of(piece, i).n, 0);

    piece->refs[i] = leaf == NULL ? ref_hole() : ref_load(leaf->bytes + (size_t)index * REF_BYTES);
    piece->held[i].extent = NULL;
    if (piece->refs[i].kind == REF_HERE &&
        open_extents_find(&store->extents, piece->refs[i].at, &piece->held[i])) {
        piece->held[i].extent->pins++;
    }
}

static int look_up(struct store *store, struct store_image *image, struct piece *piece)
{
    struct page *leaf = NULL;
    int r = find_leaf(store, image, piece->first, piece->flags, &leaf);

    if (r < 0) {
        return r;
    }
    piece->count = (unsigned)min_u64(piece->count, REFS_PER_PAGE - key_index(piece->first.n, 0));
    for (unsigned i = 0; i < piece->count; i++) {
        look_at(store, piece, i, leaf);
    }
    return 0;
}

/* On failure piece->count is how many were looked up: they are to be let go. */
static int look_up_scattered(struct store *store, struct store_image *image, struct piece *piece)
{
    for (unsigned i = 0; i < piece->count; i++) {
        struct page *leaf = NULL;
        int r = find_leaf(store, image, block_of(piece, i), piece->flags, &leaf);

        if (r < 0) {
            piece->count = i;
            return r;
        }
        look_at(store, piece, i, leaf);
    }
    return 0;
}

static void let_go(struct store *store, const struct piece *piece)
{
    for (unsigned i = 0; i < piece->count; i++) {
        struct open_extent *extent = piece->held[i].extent;

        if (extent != NULL) {
            extent->pins--;
            open_extents_retire(&store->extents, extent);
            if (extent->state == EXTENT_FREE) {
                pthread_cond_broadcast(&store->changed);
            }
        }
    }
}

static void let_go_if_pinned(struct store *store, const struct piece *piece)
{
    bool pinned = false;

    for (unsigned i = 0; i < piece->count && !pinned; i++) {
        pinned = piece->held[i].extent != NULL;
    }
    if (pinned) {
        pthread_mutex_lock(&store->lock);
        let_go(store, piece);
        pthread_mutex_unlock(&store->lock);
    }
}

/* Copies what is in memory and makes the list of what is not. */
static void collect(struct store *store, struct piece *piece, uint8_t *buffer)
{
    unsigned n = 0;
    uint64_t next = 0;

    for (unsigned i = 0; i < piece->count; i++) {
        struct ref ref = piece->refs[i];
        uint8_t *to = buffer + (size_t)i * BLOCK_SIZE;
        const uint8_t *over = NULL;

        if (ref.kind == REF_HERE && piece->held[i].extent == NULL) {
            over = store->options.read_only ? overlay_find(&store->overlay, ref.at) : NULL;
            if (over == NULL) {
                if (n > 0 && ref.at.n == next && piece->request[n - 1].buffer != NULL &&
                    (uint8_t *)piece->request[n - 1].buffer + piece->request[n - 1].length == to) {
                    piece->request[n - 1].length += BLOCK_SIZE;
                } else {
                    piece->request[n++] = (struct io_request){.op = IO_READ,
                                                              .file = IO_EXTENTS,
                                                              .flags = piece->flags,
                                                              .offset = pblock_offset(ref.at),
                                                              .length = BLOCK_SIZE,
                                                              .buffer = to};
                }
                next = ref.at.n + 1;
                continue;
            }
        }
        if (ref.kind == REF_HOLE) {
            memset(to, 0, BLOCK_SIZE);
        } else {
            assert(ref.kind == REF_HERE);
            memcpy(to,
                   over != NULL ? over : extent_bytes(piece->held[i].extent, piece->held[i].index),
                   BLOCK_SIZE);
        }
    }
    piece->requests = n;
}

static bool is_sound(const struct store *store, struct ref ref, const uint8_t *bytes)
{
    return ref.kind == REF_HOLE || crc32c_block(store->seed, ref.at, bytes) == ref.crc;
}

/* Reads one block again, past all caches, a few times: a cable may have been at fault, not the
 * disk. */
static int read_again(struct store *store, const struct store_image *image, struct lblock lblock,
                      struct ref ref, uint8_t *to)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    int r = 0;

    for (unsigned try = 0; try < READ_TRIES; try++) {
        struct io_request request = {.op = IO_READ,
                                     .file = IO_EXTENTS,
                                     .flags = IO_REREAD,
                                     .offset = pblock_offset(ref.at),
                                     .length = BLOCK_SIZE,
                                     .buffer = bytes};

        r = store->io->ops->perform(store->io, &request, 1);
        if (r == 0 && is_sound(store, ref, bytes)) {
            memcpy(to, bytes, BLOCK_SIZE);
            return 0;
        }
    }
    pthread_mutex_lock(&store->lock);
    store->counters.checksum_errors++;
    pthread_mutex_unlock(&store->lock);
    return varve_fail(EIO, "image %llu, offset %llu: block %llu of the extents %s",
                      (unsigned long long)image->number,
                      (unsigned long long)(lblock.n << BLOCK_SHIFT), (unsigned long long)ref.at.n,
                      r < 0 ? strerror(-r) : "is damaged: its checksum is wrong");
}

static int fetch(struct store *store, const struct store_image *image, struct piece *piece,
                 uint8_t *buffer)
{
    if (piece->requests > 0 &&
        store->io->ops->perform(store->io, piece->request, piece->requests) == -EAGAIN) {
        return -EAGAIN;
    }
    /* what could not be read does not match either; the odd match of old bytes is right */
    for (unsigned i = 0; i < piece->count; i++) {
        uint8_t *bytes = buffer + (size_t)i * BLOCK_SIZE;

        if (!is_sound(store, piece->refs[i], bytes)) {
            int r = read_again(store, image, block_of(piece, i), piece->refs[i], bytes);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

static int read_blocks(struct store *store, struct store_image *image, struct lblock first,
                       uint64_t count, uint8_t *buffer, unsigned flags)
{
    struct piece piece;

    piece.scattered = NULL;
    piece.flags = flags;
    while (count > 0) {
        piece.first = first;
        piece.count = (unsigned)min_u64(count, REFS_PER_PAGE);
        pthread_mutex_lock(&store->lock);
        int r = look_up(store, image, &piece);
        pthread_mutex_unlock(&store->lock);
        if (r < 0) {
            return r;
        }
        collect(store, &piece, buffer);
        r = fetch(store, image, &piece, buffer);
        let_go_if_pinned(store, &piece);
        if (r < 0) {
            return r;
        }
        first.n += piece.count;
        count -= piece.count;
        buffer += (size_t)piece.count * BLOCK_SIZE;
    }
    return 0;
}

int store_read_blocks(struct store *store, struct store_image *image, struct lblock first,
                      uint64_t count, uint8_t *buffer)
{
    return read_blocks(store, image, first, count, buffer, 0);
}

/* The blocks at the edges of a request that it covers in part. */
static int read_part(struct store *store, struct store_image *image, struct lblock lblock,
                     unsigned from, unsigned to, uint8_t *buffer, unsigned flags)
{
    _Alignas(BLOCK_SIZE) uint8_t bytes[BLOCK_SIZE];
    int r = read_blocks(store, image, lblock, 1, bytes, flags);

    if (r == 0) {
        memcpy(buffer, bytes + from, to - from);
    }
    return r;
}

static int read_range(struct store *store, struct store_image *image, uint8_t *buffer,
                      const struct byte_range *range, unsigned flags)
{
    int r = 0;

    if (range->head_to > range->head_from) {
        r = read_part(store, image, range->head, range->head_from, range->head_to, buffer, flags);
        buffer += range->head_to - range->head_from;
    }
    if (r == 0 && range->middle_count > 0) {
        r = read_blocks(store, image, range->middle, range->middle_count, buffer, flags);
        buffer += range->middle_count << BLOCK_SHIFT;
    }
    if (r == 0 && range->tail_to > 0) {
        r = read_part(store, image, range->tail, 0, range->tail_to, buffer, flags);
    }
    return r;
}

static int read_locked_range(struct store *store, struct store_image *image, void *buffer,
                             size_t length, uint64_t offset, unsigned flags)
{
    struct byte_range range = byte_range_of(offset, length);
    struct range held = {.start = range.start, .end = range.end, .alone = false};
    int r = 0;

    if (length == 0) {
        return 0;
    }
    pthread_mutex_lock(&store->lock);
    range_lock(&image->ranges, &held, &store->lock, &store->changed);
    if (!byte_range_fits(image->record.size, offset, length)) {
        r = varve_fail(EINVAL, "a read of %llu bytes at %llu is past the end",
                       (unsigned long long)length, (unsigned long long)offset);
    }
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        r = read_range(store, image, buffer, &range, flags);
    }
    pthread_mutex_lock(&store->lock);
    if (r != -EAGAIN) {
        store->counters.reads++;
        store->counters.read_bytes += length;
    }
    range_unlock(&image->ranges, &held, &store->changed);
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_read(struct store *store, struct store_image *image, void *buffer, size_t length,
               uint64_t offset)
{
    return read_locked_range(store, image, buffer, length, offset, 0);
}

int store_read_nowait(struct store *store, struct store_image *image, void *buffer, size_t length,
                      uint64_t offset)
{
    return read_locked_range(store, image, buffer, length, offset, IO_NOWAIT);
}

/* In the order of the device: what was written together lies together, wherever it belongs. */
static int read_some_scattered(struct store *store, struct store_image *image, struct piece *piece,
                               uint8_t *buffer)
{
    pthread_mutex_lock(&store->lock);
    int r = look_up_scattered(store, image, piece);
    pthread_mutex_unlock(&store->lock);
    if (r == 0) {
        collect(store, piece, buffer);
        store_sort_requests(piece->request, piece->requests);
        r = fetch(store, image, piece, buffer);
    }
    let_go_if_pinned(store, piece);
    return r;
}

int store_read_scattered(struct store *store, struct store_image *image, const uint64_t *blocks,
                         size_t count, uint8_t *buffer)
{
    struct range held = {.alone = false};
    struct piece piece = {.count = 0};
    int r = 0;

    if (count == 0) {
        return 0;
    }
    held.start = blocks[0];
    held.end = blocks[count - 1] + 1;
    pthread_mutex_lock(&store->lock);
    range_lock(&image->ranges, &held, &store->lock, &store->changed);
    if (held.end > blocks_for(image->record.size)) {
        r = varve_fail(EINVAL, "a read of block %llu is past the end",
                       (unsigned long long)blocks[count - 1]);
    }
    store->counters.reads++;
    store->counters.read_bytes += (uint64_t)count << BLOCK_SHIFT;
    pthread_mutex_unlock(&store->lock);
    for (size_t at = 0; r == 0 && at < count; at += piece.count) {
        piece.scattered = blocks + at;
        piece.count = (unsigned)min_u64(count - at, REFS_PER_PAGE);
        r = read_some_scattered(store, image, &piece, buffer + (at << BLOCK_SHIFT));
    }
    pthread_mutex_lock(&store->lock);
    range_unlock(&image->ranges, &held, &store->changed);
    pthread_mutex_unlock(&store->lock);
    return r;
}

int store_prefetch(struct store *store, struct store_image *image, uint64_t length, uint64_t offset)
{
    size_t room = REFS_PER_PAGE * BLOCK_SIZE;
    uint8_t *bytes = memory_take(&store->memory, room);
    int r = bytes == NULL ? varve_no_memory("reading ahead") : 0;

    while (r == 0 && length > 0) {
        size_t n = (size_t)min_u64(length, room);

        r = store_read(store, image, bytes, n, offset);
        offset += n;
        length -= n;
    }
    memory_give(&store->memory, bytes, room);
    return r;
}

/* Adds a run to the list, as a continuation of the last one where it is one. False: the list is
 * full. */
static bool add_extent(struct store_extent *extents, unsigned max, unsigned *count, uint64_t offset,
                       uint64_t length, bool hole)
{
    if (*count > 0 && extents[*count - 1].hole == hole) {
        extents[*count - 1].length += length;
        return true;
    }
    if (*count == max) {
        return false;
    }
    extents[(*count)++] = (struct store_extent){.offset = offset, .length = length, .hole = hole};
    return true;
}

/* Holes and data from one leaf, or one hole above leaves. */
static int extents_of_leaf(struct store *store, struct store_image *image, uint64_t offset,
                           uint64_t end, struct store_extent *extents, unsigned max,
                           unsigned *count, uint64_t *ret_next)
{
    struct page *leaf = NULL;
    uint64_t key = offset >> BLOCK_SHIFT;
    uint64_t span = 0;
    int r = forest_find(&store->forest, image->record.root, image->record.level, RANK_IMAGE, key,
                        &leaf, &span);

    if (r != 0) {
        return r;
    }
    if (leaf == NULL) {
        uint64_t to = span >= (end >> BLOCK_SHIFT) + 1 - key ? end : (key + span) << BLOCK_SHIFT;
        *ret_next = add_extent(extents, max, count, offset, to - offset, true) ? to : offset;
        return 0;
    }
    for (uint64_t i = 0; i < span && offset < end; i++) {
        struct ref ref = ref_load(leaf->bytes + (size_t)key_index(key + i, 0) * REF_BYTES);
        uint64_t to = min_u64(end, (key + i + 1) << BLOCK_SHIFT);

        if (!add_extent(extents, max, count, offset, to - offset, ref_is_hole(ref))) {
            break;
        }
        offset = to;
    }
    *ret_next = offset;
    return 0;
}

int store_extents(struct store *store, struct store_image *image, uint64_t length, uint64_t offset,
                  struct store_extent *ret_extents, unsigned max)
{
    unsigned count = 0;
    uint64_t end = offset + length;
    uint64_t next;
    int r = 0;

    assert(max > 0);
    pthread_mutex_lock(&store->lock);
    if (length == 0 || !byte_range_fits(image->record.size, offset, length)) {
        r = varve_fail(EINVAL, "block status of %llu bytes at %llu is past the end",
                       (unsigned long long)length, (unsigned long long)offset);
    }
    while (r == 0 && offset < end) {
        r = extents_of_leaf(store, image, offset, end, ret_extents, max, &count, &next);
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
        } else if (r == 0) {
            if (next == offset) {
                break; /* the list is full */
            }
            offset = next;
        }
    }
    pthread_mutex_unlock(&store->lock);
    return r < 0 ? r : (int)count;
}
