#include "files/page_buffer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

enum {
    PAGE = PAGE_BUFFER_PAGE,
    TRANSFER = 1 << 20, /* bytes of the largest write */
    AHEAD = 32,         /* pages that are read at once when reads follow one another */
};
#define NO_SLOT UINT32_MAX /* the end of a chain */

struct page {
    uint64_t number; /* place in the target, in pages */
    uint32_t next;   /* in its chain */
    bool used, dirty, referenced;
};

struct page_buffer {
    struct files_target target;
    uint32_t count, hand, dirty; /* pages; the next to look at for eviction; changed ones */
    uint64_t expected;           /* the page after the last one that was read from below */
    struct page *pages;
    uint32_t *chains; /* count of them: the first page of each, by number */
    uint32_t *order;  /* changed pages, when they are written */
    unsigned char *bytes, *transfer;
};

static unsigned char *bytes_of(const struct page_buffer *buffer, uint32_t slot)
{
    return buffer->bytes + (size_t)slot * PAGE;
}

static uint32_t *chain_of(const struct page_buffer *buffer, uint64_t number)
{
    return &buffer->chains[(number * 0x9e3779b97f4a7c15u >> 32) % buffer->count];
}

int page_buffer_new(const struct files_target *target, size_t bytes,
                    struct page_buffer **ret_buffer)
{
    struct page_buffer *buffer = calloc(1, sizeof *buffer);

    assert(bytes > 0 && bytes % TRANSFER == 0);
    if (buffer == NULL)
        return varve_no_memory("a file system's pages");
    buffer->target = *target;
    buffer->count = (uint32_t)(bytes / PAGE);
    buffer->pages = calloc(buffer->count, sizeof *buffer->pages);
    buffer->chains = malloc(buffer->count * sizeof *buffer->chains);
    buffer->order = malloc(buffer->count * sizeof *buffer->order);
    buffer->bytes = malloc(bytes);
    buffer->transfer = malloc(TRANSFER);
    if (buffer->pages == NULL || buffer->chains == NULL || buffer->order == NULL ||
        buffer->bytes == NULL || buffer->transfer == NULL) {
        page_buffer_free(buffer);
        return varve_no_memory("a file system's pages");
    }
    memset(buffer->chains, 0xff, buffer->count * sizeof *buffer->chains);
    buffer->expected = UINT64_MAX;
    *ret_buffer = buffer;
    return 0;
}

void page_buffer_free(struct page_buffer *buffer)
{
    if (buffer == NULL)
        return;
    free(buffer->pages);
    free(buffer->chains);
    free(buffer->order);
    free(buffer->bytes);
    free(buffer->transfer);
    free(buffer);
}

static uint32_t find(struct page_buffer *buffer, uint64_t number)
{
    uint32_t slot = *chain_of(buffer, number);

    while (slot != NO_SLOT && buffer->pages[slot].number != number)
        slot = buffer->pages[slot].next;
    return slot;
}

static void forget(struct page_buffer *buffer, uint32_t slot)
{
    struct page *page = &buffer->pages[slot];
    uint32_t *at = chain_of(buffer, page->number);

    while (*at != slot)
        at = &buffer->pages[*at].next;
    *at = page->next;
    buffer->dirty -= page->dirty;
    *page = (struct page){.used = false};
}

/* The bytes of a page that the target has: its last page may be a part. */
static size_t length_of(const struct page_buffer *buffer, uint64_t number)
{
    uint64_t left = buffer->target.size - number * PAGE;

    return left < PAGE ? (size_t)left : PAGE;
}

static int by_number(const void *a, const void *b, void *opaque)
{
    const struct page *pages = opaque;
    uint64_t x = pages[*(const uint32_t *)a].number, y = pages[*(const uint32_t *)b].number;

    return (x > y) - (x < y);
}

/* Writes neighbours, `count` pages from order[0] on. */
static int write_run(struct page_buffer *buffer, const uint32_t *order, size_t count)
{
    uint64_t first = buffer->pages[order[0]].number;
    size_t length = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(buffer->transfer + i * PAGE, bytes_of(buffer, order[i]), PAGE);
        length += length_of(buffer, first + i);
    }
    return buffer->target.write(buffer->target.opaque, buffer->transfer, length, first * PAGE);
}

static size_t run_length(const struct page_buffer *buffer, const uint32_t *order, size_t left)
{
    uint64_t first = buffer->pages[order[0]].number;
    size_t count = 1;

    while (count < left && count < TRANSFER / PAGE &&
           buffer->pages[order[count]].number == first + count)
        count++;
    return count;
}

static int write_dirty(struct page_buffer *buffer)
{
    size_t dirty = 0;
    int r = 0;

    for (uint32_t slot = 0; slot < buffer->count && dirty < buffer->dirty; slot++)
        if (buffer->pages[slot].dirty)
            buffer->order[dirty++] = slot;
    qsort_r(buffer->order, dirty, sizeof *buffer->order, by_number, buffer->pages);
    for (size_t at = 0, count; r == 0 && at < dirty; at += count) {
        count = run_length(buffer, buffer->order + at, dirty - at);
        r = write_run(buffer, buffer->order + at, count);
        for (size_t i = at; r == 0 && i < at + count; i++) {
            buffer->pages[buffer->order[i]].dirty = false;
            buffer->dirty--;
        }
    }
    return r;
}

/* A slot that holds nothing. All changed pages are written at once when the first of them has to
 * go, since together they make long runs. */
static int take_slot(struct page_buffer *buffer, uint32_t *ret_slot)
{
    for (;;) {
        uint32_t slot = buffer->hand;
        struct page *page = &buffer->pages[slot];

        buffer->hand = (buffer->hand + 1) % buffer->count;
        if (page->used && page->referenced) {
            page->referenced = false;
            continue;
        }
        if (page->used && page->dirty) {
            int r = write_dirty(buffer);

            if (r != 0)
                return r;
        }
        if (page->used)
            forget(buffer, slot);
        *ret_slot = slot;
        return 0;
    }
}

static void keep(struct page_buffer *buffer, uint32_t slot, uint64_t number)
{
    uint32_t *chain = chain_of(buffer, number);

    buffer->pages[slot] =
        (struct page){.number = number, .next = *chain, .used = true, .referenced = true};
    *chain = slot;
}

/* How many pages to read from `number` on: many when reads follow one another, and never one that
 * is kept already, since it may have changed. */
static size_t span_to_read(struct page_buffer *buffer, uint64_t number)
{
    uint64_t end = (buffer->target.size + PAGE - 1) / PAGE;
    size_t count = 1;

    if (number != buffer->expected)
        return 1;
    while (count < AHEAD && number + count < end && find(buffer, number + count) == NO_SLOT)
        count++;
    return count;
}

static int load(struct page_buffer *buffer, uint64_t number, uint32_t *ret_slot)
{
    size_t count = span_to_read(buffer, number), length = 0;
    uint32_t first = NO_SLOT;
    int r;

    /* Taking a slot may write, and writing uses the transfer: both before the read. */
    r = take_slot(buffer, &first);
    for (size_t i = 0; i < count; i++)
        length += length_of(buffer, number + i);
    if (r == 0 && count > 1 && buffer->dirty > buffer->count / 2)
        r = write_dirty(buffer);
    if (r == 0)
        r = buffer->target.read(buffer->target.opaque, buffer->transfer, length, number * PAGE);
    if (r != 0)
        return r;
    memset(buffer->transfer + length, 0, count * PAGE - length);
    keep(buffer, first, number);
    memcpy(bytes_of(buffer, first), buffer->transfer, PAGE);
    /* What was read ahead is kept only where no other page has to be written for it. */
    for (size_t i = 1; i < count && buffer->dirty == 0; i++) {
        uint32_t slot = NO_SLOT;

        r = take_slot(buffer, &slot);
        assert(r == 0);
        keep(buffer, slot, number + i);
        memcpy(bytes_of(buffer, slot), buffer->transfer + i * PAGE, PAGE);
    }
    buffer->expected = number + count;
    *ret_slot = first;
    return 0;
}

static int check_range(const struct page_buffer *buffer, uint64_t length, uint64_t offset)
{
    if (length <= buffer->target.size && offset <= buffer->target.size - length)
        return 0;
    return varve_fail(EIO,
                      "the file system reaches past the end of its image: %" PRIu64
                      " bytes at %" PRIu64 " of %" PRIu64,
                      length, offset, buffer->target.size);
}

/* The part of a range that lies in its first page. */
static size_t piece_of(size_t length, uint64_t offset)
{
    size_t left = PAGE - (size_t)(offset % PAGE);

    return length < left ? length : left;
}

int page_buffer_read(struct page_buffer *buffer, void *bytes, size_t length, uint64_t offset)
{
    unsigned char *to = bytes;
    int r = check_range(buffer, length, offset);

    for (size_t piece; r == 0 && length > 0; length -= piece, offset += piece, to += piece) {
        uint32_t slot = find(buffer, offset / PAGE);

        piece = piece_of(length, offset);
        if (slot == NO_SLOT)
            r = load(buffer, offset / PAGE, &slot);
        if (r != 0)
            break;
        buffer->pages[slot].referenced = true;
        memcpy(to, bytes_of(buffer, slot) + offset % PAGE, piece);
    }
    return r;
}

/* A slot for a page of which `piece` bytes will be written: what stays of it is read first. */
static int slot_to_write(struct page_buffer *buffer, uint64_t number, size_t piece,
                         uint32_t *ret_slot)
{
    int r;

    *ret_slot = find(buffer, number);
    if (*ret_slot != NO_SLOT)
        return 0;
    if (piece < length_of(buffer, number))
        return load(buffer, number, ret_slot);
    r = take_slot(buffer, ret_slot);
    if (r == 0)
        keep(buffer, *ret_slot, number);
    return r;
}

int page_buffer_write(struct page_buffer *buffer, const void *bytes, size_t length, uint64_t offset)
{
    const unsigned char *from = bytes;
    int r = check_range(buffer, length, offset);

    for (size_t piece; r == 0 && length > 0; length -= piece, offset += piece, from += piece) {
        uint32_t slot;

        piece = piece_of(length, offset);
        r = slot_to_write(buffer, offset / PAGE, piece, &slot);
        if (r != 0)
            break;
        memcpy(bytes_of(buffer, slot) + offset % PAGE, from, piece);
        buffer->dirty += !buffer->pages[slot].dirty;
        buffer->pages[slot].dirty = true;
        buffer->pages[slot].referenced = true;
    }
    return r;
}

/* Calls `visit` for what is kept of a range: by the pages of the range or by those that are kept,
 * whichever are fewer. */
typedef void (*visit_kept)(struct page_buffer *buffer, uint32_t slot, void *opaque);

static void each_kept(struct page_buffer *buffer, uint64_t first, uint64_t end, visit_kept visit,
                      void *opaque)
{
    if (end - first > buffer->count) {
        for (uint32_t slot = 0; slot < buffer->count; slot++)
            if (buffer->pages[slot].used && buffer->pages[slot].number >= first &&
                buffer->pages[slot].number < end)
                visit(buffer, slot, opaque);
        return;
    }
    for (uint64_t number = first; number < end; number++) {
        uint32_t slot = find(buffer, number);

        if (slot != NO_SLOT)
            visit(buffer, slot, opaque);
    }
}

struct piece {
    unsigned char *bytes;
    size_t length;
    uint64_t offset;
};

static void lay_over(struct page_buffer *buffer, uint32_t slot, void *opaque)
{
    const struct piece *piece = opaque;
    uint64_t page = buffer->pages[slot].number * PAGE, end = piece->offset + piece->length;
    uint64_t from = page > piece->offset ? page : piece->offset;
    uint64_t to = page + PAGE < end ? page + PAGE : end;

    if (buffer->pages[slot].dirty)
        memcpy(piece->bytes + (from - piece->offset), bytes_of(buffer, slot) + (from - page),
               (size_t)(to - from));
}

static void drop(struct page_buffer *buffer, uint32_t slot, void *opaque)
{
    (void)opaque;
    forget(buffer, slot);
}

int page_buffer_read_through(struct page_buffer *buffer, void *bytes, size_t length,
                             uint64_t offset)
{
    struct piece piece = {bytes, length, offset};
    int r = check_range(buffer, length, offset);

    if (r != 0 || length == 0)
        return r;
    r = buffer->target.read(buffer->target.opaque, bytes, length, offset);
    if (r == 0)
        each_kept(buffer, offset / PAGE, (offset + length + PAGE - 1) / PAGE, lay_over, &piece);
    return r;
}

/* Whole pages of the range, from *ret_first up to *ret_end; what lies beside them goes through the
 * memory. False: there are none. */
static bool whole_pages(const struct page_buffer *buffer, uint64_t length, uint64_t offset,
                        uint64_t *ret_first, uint64_t *ret_end)
{
    uint64_t end = offset + length;

    *ret_first = (offset + PAGE - 1) / PAGE;
    *ret_end = end == buffer->target.size ? (end + PAGE - 1) / PAGE : end / PAGE;
    return *ret_first < *ret_end;
}

int page_buffer_write_through(struct page_buffer *buffer, const void *bytes, size_t length,
                              uint64_t offset)
{
    const unsigned char *from = bytes;
    uint64_t first, end, begin, stop;
    int r = check_range(buffer, length, offset);

    if (r != 0)
        return r;
    if (!whole_pages(buffer, length, offset, &first, &end))
        return page_buffer_write(buffer, bytes, length, offset);
    begin = first * PAGE;
    stop = end * PAGE < offset + length ? end * PAGE : offset + length;
    r = page_buffer_write(buffer, from, (size_t)(begin - offset), offset);
    if (r == 0)
        r = page_buffer_write(buffer, from + (stop - offset), (size_t)(offset + length - stop),
                              stop);
    if (r == 0)
        r = buffer->target.write(buffer->target.opaque, from + (begin - offset),
                                 (size_t)(stop - begin), begin);
    if (r == 0)
        each_kept(buffer, first, end, drop, NULL);
    return r;
}

static int write_zeroes(struct page_buffer *buffer, size_t length, uint64_t offset)
{
    static const unsigned char zeroes[PAGE];

    return page_buffer_write(buffer, zeroes, length, offset);
}

int page_buffer_zero(struct page_buffer *buffer, uint64_t length, uint64_t offset)
{
    uint64_t first, end, begin, stop;
    int r = check_range(buffer, length, offset);

    if (r != 0)
        return r;
    if (!whole_pages(buffer, length, offset, &first, &end)) {
        /* in one page, or over the border of two */
        size_t piece = piece_of((size_t)length, offset);

        r = write_zeroes(buffer, piece, offset);
        return r != 0 ? r : write_zeroes(buffer, (size_t)length - piece, offset + piece);
    }
    begin = first * PAGE;
    stop = end * PAGE < offset + length ? end * PAGE : offset + length;
    r = write_zeroes(buffer, (size_t)(begin - offset), offset);
    if (r == 0)
        r = write_zeroes(buffer, (size_t)(offset + length - stop), stop);
    if (r == 0)
        r = buffer->target.zero(buffer->target.opaque, stop - begin, begin);
    if (r == 0)
        each_kept(buffer, first, end, drop, NULL);
    return r;
}

int page_buffer_flush(struct page_buffer *buffer)
{
    return write_dirty(buffer);
}
