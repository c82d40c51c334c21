#include "store/open_extents.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

/* From places to blocks in extents: chains over one array, an entry for each block there can be. */
enum { INDEX_BUCKETS = 8192, INDEX_ENTRIES = STAGE_EXTENTS_MAX * STAGE_EXTENT_BLOCKS_MAX };

struct extent_index {
    int32_t head[INDEX_BUCKETS];
    int32_t next[INDEX_ENTRIES];
};

static unsigned bucket_of(uint64_t at)
{
    return (unsigned)((at * UINT64_C(0x9e3779b97f4a7c15)) >> 51);
}
_Static_assert(INDEX_BUCKETS == 1 << (64 - 51), "the hash fits the buckets");

static int32_t entry_of(const struct open_extents *x, const struct open_extent *e, unsigned index)
{
    return (int32_t)((e - x->extent) * STAGE_EXTENT_BLOCKS_MAX + index);
}

static bool bit(const uint64_t *words, unsigned i)
{
    return (words[i / 64] >> (i % 64)) & 1;
}

static void set_bit(uint64_t *words, unsigned i)
{
    words[i / 64] |= (uint64_t)1 << (i % 64);
}

int open_extents_begin(struct open_extents *x, const struct stage *stage,
                       const struct memory *memory)
{
    memset(x, 0, sizeof *x);
    x->memory = *memory;
    x->index = memory_take(memory, sizeof *x->index);
    if (x->index == NULL) {
        return varve_no_memory("the index of open extents");
    }
    memset(x->index->head, 0xff, sizeof x->index->head);
    x->extents = (unsigned)stage->geometry.extents;
    x->blocks = (unsigned)stage->geometry.extent_blocks;
    for (unsigned i = 0; i < x->extents; i++) {
        x->extent[i].buffer = stage_buffer(stage, i);
        x->extent[i].stage = stage_extent(stage, i);
    }
    return 0;
}

void open_extents_end(struct open_extents *x)
{
    memory_give(&x->memory, x->index, sizeof *x->index);
    x->index = NULL;
}

bool open_extents_open(struct open_extents *x, enum extent_use use)
{
    assert(x->current[use] == NULL);
    for (unsigned i = 0; i < x->extents; i++) {
        struct open_extent *e = &x->extent[i];

        if (e->state == EXTENT_FREE) {
            e->state = EXTENT_OPEN;
            e->use = use;
            e->opened++;
            e->large = false;
            e->count = e->taken = 0;
            memset(e->complete, 0, sizeof e->complete);
            memset(e->written, 0, sizeof e->written);
            memset(e->carried, 0, sizeof e->carried);
            x->current[use] = e;
            return true;
        }
    }
    return false;
}

void open_extents_add_places(struct open_extents *x, enum extent_use use, struct pblock first,
                             uint64_t count)
{
    struct open_extent *e = x->current[use];

    assert(e != NULL && e->count + count <= x->blocks);
    for (uint64_t i = 0; i < count; i++) {
        e->stage->at[e->count++] = first.n + i;
    }
}

unsigned open_extents_take(struct open_extents *x, enum extent_use use, unsigned want,
                           struct extent_block *ret_block)
{
    struct open_extent *e = x->current[use];
    unsigned n = 0;

    if (e == NULL) {
        return 0;
    }
    *ret_block = (struct extent_block){e, e->taken};
    while (n < want && e->taken < e->count &&
           (n == 0 || e->stage->at[e->taken] == e->stage->at[e->taken - 1] + 1)) {
        e->taken++;
        n++;
    }
    /* a successor must not take the rest of a sealed extent for its own */
    atomic_store_explicit(&e->stage->count, e->taken, memory_order_release);
    if (e->taken == x->blocks) {
        e->state = EXTENT_SEALED;
        x->current[use] = NULL;
    }
    return n;
}

void open_extents_complete(struct open_extents *x, struct extent_block block, unsigned count,
                           bool wanted)
{
    struct open_extent *e = block.extent;

    for (unsigned i = block.index; i < block.index + count; i++) {
        set_bit(e->complete, i);
        if (wanted) {
            unsigned bucket = bucket_of(e->stage->at[i]);
            int32_t entry = entry_of(x, e, i);

            x->index->next[entry] = x->index->head[bucket];
            x->index->head[bucket] = entry;
        } else {
            set_bit(e->written, i);
            set_bit(e->carried, i);
        }
    }
    open_extents_retire(x, e);
}

bool open_extents_find(const struct open_extents *x, struct pblock at,
                       struct extent_block *ret_block)
{
    for (int32_t i = x->index->head[bucket_of(at.n)]; i >= 0; i = x->index->next[i]) {
        const struct open_extent *e = &x->extent[i / STAGE_EXTENT_BLOCKS_MAX];
        unsigned index = (unsigned)i % STAGE_EXTENT_BLOCKS_MAX;

        if (e->stage->at[index] == at.n) {
            *ret_block = (struct extent_block){(struct open_extent *)(uintptr_t)e, index};
            return true;
        }
    }
    return false;
}

uint64_t open_extents_seal(struct open_extents *x, enum extent_use use, struct pblock *ret_first)
{
    struct open_extent *e = x->current[use];
    uint64_t n = 0;

    if (e == NULL) {
        return 0;
    }
    while (e->taken < e->count && (n == 0 || e->stage->at[e->count - 1] + 1 == ret_first->n)) {
        *ret_first = pblock_at(e->stage->at[--e->count]);
        n++;
    }
    if (n == 0) {
        e->state = EXTENT_SEALED;
        x->current[use] = NULL;
        open_extents_retire(x, e);
    }
    return n;
}

static void unindex(struct open_extents *x, struct open_extent *e, unsigned index)
{
    int32_t entry = entry_of(x, e, index);
    int32_t *at = &x->index->head[bucket_of(e->stage->at[index])];

    while (*at >= 0 && *at != entry) {
        at = &x->index->next[*at];
    }
    if (*at == entry) {
        *at = x->index->next[entry];
    }
}

void open_extents_retire(struct open_extents *x, struct open_extent *e)
{
    if (e->state != EXTENT_SEALED || e->pins > 0 || e->writing) {
        return;
    }
    for (unsigned i = 0; i < e->taken; i++) {
        if (!bit(e->written, i)) {
            return;
        }
    }
    for (unsigned i = 0; i < e->taken; i++) {
        unindex(x, e, i);
    }
    atomic_store_explicit(&e->stage->count, 0, memory_order_release);
    e->state = EXTENT_FREE;
}

unsigned open_extents_pending(const struct open_extents *x)
{
    unsigned pending = 0;

    for (unsigned i = 0; i < x->extents; i++) {
        const struct open_extent *e = &x->extent[i];

        for (unsigned w = 0; e->state != EXTENT_FREE && w < EXTENT_WORDS; w++) {
            pending += (unsigned)__builtin_popcountll(extent_unwritten(e, w) & ~e->carried[w]);
        }
    }
    return pending;
}

bool open_extents_full(const struct open_extents *x)
{
    for (unsigned i = 0; i < x->extents; i++) {
        const struct open_extent *e = &x->extent[i];

        for (unsigned w = 0; e->state == EXTENT_SEALED && !e->writing && w < EXTENT_WORDS; w++) {
            if (extent_unwritten(e, w) != 0) {
                return true;
            }
        }
    }
    return false;
}

bool open_extents_part_carried(const struct open_extents *x)
{
    for (unsigned i = 0; i < x->extents; i++) {
        const struct open_extent *e = &x->extent[i];
        bool carried = false, uncarried = false;

        for (unsigned w = 0; e->state == EXTENT_SEALED && !e->writing && w < EXTENT_WORDS; w++) {
            carried = carried || e->carried[w] != 0;
            uncarried = uncarried || (extent_unwritten(e, w) & ~e->carried[w]) != 0;
        }
        if (carried && uncarried) {
            return true;
        }
    }
    return false;
}
