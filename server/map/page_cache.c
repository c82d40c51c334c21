#include "map/page_cache.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

/* Pages come from chunks, so that their bytes are aligned for direct I/O and memory is asked for
 * seldom. */
enum { CHUNK_PAGES = 64 };

struct chunk {
    struct chunk *next;
    uint8_t *bytes;
    struct page pages[CHUNK_PAGES];
};

struct page_cache {
    struct memory memory;
    uint64_t pages_max;
    uint64_t live, dirty, frozen, spare_count, total;
    struct chunk *chunks;
    struct page *spare; /* linked by hash_next */
    struct page **hash;
    uint64_t hash_mask;
    struct page *newest, *oldest;
    struct page *dirty_list;
    struct page *frozen_lists[RANKS];
};

static uint64_t bucket_of(const struct page_cache *cache, struct pblock at)
{
    return (at.n * UINT64_C(0x9e3779b97f4a7c15) >> 32) & cache->hash_mask;
}

struct page_cache *page_cache_new(uint64_t pages_max, const struct memory *memory)
{
    struct page_cache *cache = memory_take(memory, sizeof *cache);
    uint64_t buckets = 1024;

    if (cache == NULL) {
        return NULL;
    }
    while (buckets < pages_max) {
        buckets *= 2;
    }
    cache->memory = *memory;
    cache->pages_max = pages_max;
    cache->hash_mask = buckets - 1;
    cache->hash = memory_take(memory, buckets * sizeof *cache->hash);
    if (cache->hash == NULL) {
        page_cache_free(cache);
        return NULL;
    }
    return cache;
}

void page_cache_free(struct page_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (struct chunk *c = cache->chunks; c != NULL;) {
        struct chunk *next = c->next;
        memory_give(&cache->memory, c->bytes, CHUNK_PAGES * BLOCK_SIZE);
        memory_give(&cache->memory, c, sizeof *c);
        c = next;
    }
    memory_give(&cache->memory, cache->hash, (cache->hash_mask + 1) * sizeof *cache->hash);
    memory_give(&cache->memory, cache, sizeof *cache);
}

static void unlink_use(struct page_cache *cache, struct page *page)
{
    *(page->newer != NULL ? &page->newer->older : &cache->newest) = page->older;
    *(page->older != NULL ? &page->older->newer : &cache->oldest) = page->newer;
    page->newer = page->older = NULL;
}

static void link_newest(struct page_cache *cache, struct page *page)
{
    page->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = page;
    cache->newest = page;
}

static void hash_insert(struct page_cache *cache, struct page *page)
{
    struct page **bucket = &cache->hash[bucket_of(cache, page->at)];

    page->hash_next = *bucket;
    *bucket = page;
}

static void hash_remove(struct page_cache *cache, struct page *page)
{
    struct page **at = &cache->hash[bucket_of(cache, page->at)];

    while (*at != page) {
        assert(*at != NULL);
        at = &(*at)->hash_next;
    }
    *at = page->hash_next;
}

struct page *page_find(struct page_cache *cache, struct pblock at)
{
    for (struct page *p = cache->hash[bucket_of(cache, at)]; p != NULL; p = p->hash_next) {
        if (p->at.n == at.n) {
            if (cache->newest != p) {
                unlink_use(cache, p);
                link_newest(cache, p);
            }
            return p;
        }
    }
    return NULL;
}

static void make_spare(struct page_cache *cache, struct page *page)
{
    page->hash_next = cache->spare;
    cache->spare = page;
    cache->spare_count++;
}

/* Takes a page out of hash and order of use; it is not spare yet. */
static void detach(struct page_cache *cache, struct page *page)
{
    hash_remove(cache, page);
    unlink_use(cache, page);
    cache->live--;
}

/* Bounded: pinned pages at the old end are moved to the new one and the cache grows for a while. */
static void evict(struct page_cache *cache)
{
    struct page *p = cache->oldest;

    for (unsigned tries = 0; p != NULL && tries < 64 && cache->spare_count == 0; tries++) {
        struct page *newer = p->newer;

        if (!p->dirty && !p->frozen) {
            detach(cache, p);
            make_spare(cache, p);
        } else {
            unlink_use(cache, p);
            link_newest(cache, p);
        }
        p = newer;
    }
}

static int add_chunk(struct page_cache *cache)
{
    struct chunk *chunk = memory_take(&cache->memory, sizeof *chunk);
    uint8_t *bytes = memory_take(&cache->memory, CHUNK_PAGES * BLOCK_SIZE);

    if (chunk == NULL || bytes == NULL) {
        memory_give(&cache->memory, chunk, sizeof *chunk);
        memory_give(&cache->memory, bytes, CHUNK_PAGES * BLOCK_SIZE);
        return varve_no_memory("map pages");
    }
    chunk->bytes = bytes;
    chunk->next = cache->chunks;
    cache->chunks = chunk;
    for (unsigned i = 0; i < CHUNK_PAGES; i++) {
        chunk->pages[i].bytes = bytes + i * BLOCK_SIZE;
        make_spare(cache, &chunk->pages[i]);
    }
    cache->total += CHUNK_PAGES;
    return 0;
}

int page_room(struct page_cache *cache, unsigned count)
{
    assert(count <= CHUNK_PAGES);
    while (cache->spare_count < count) {
        uint64_t before = cache->spare_count;

        if (cache->total >= cache->pages_max) {
            evict(cache);
        }
        if (cache->spare_count == before) {
            int r = add_chunk(cache);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

struct page *page_add(struct page_cache *cache, struct pblock at, uint8_t rank)
{
    struct page *stale = page_find(cache, at);

    if (stale != NULL) {
        page_drop(cache, stale);
    }
    struct page *page = cache->spare;
    assert(page != NULL);
    uint8_t *bytes = page->bytes;
    cache->spare = page->hash_next;
    cache->spare_count--;
    memset(page, 0, sizeof *page);
    page->bytes = bytes;
    page->at = at;
    page->rank = rank;
    hash_insert(cache, page);
    link_newest(cache, page);
    cache->live++;
    return page;
}

void page_move(struct page_cache *cache, struct page *page, struct pblock at)
{
    struct page *stale = page_find(cache, at);

    assert(!page->dirty && !page->frozen);
    if (stale != NULL) {
        page_drop(cache, stale);
    }
    hash_remove(cache, page);
    page->at = at;
    hash_insert(cache, page);
}

void page_make_dirty(struct page_cache *cache, struct page *page)
{
    assert(!page->dirty && !page->frozen);
    page->dirty = true;
    page->list_next = cache->dirty_list;
    cache->dirty_list = page;
    cache->dirty++;
}

void page_drop(struct page_cache *cache, struct page *page)
{
    if (page->frozen) {
        /* stays findable: the checkpoint fills its checksum into the frozen pages that refer to it
         */
        page->dead = true;
        return;
    }
    detach(cache, page);
    if (page->dirty) {
        page->dead = true;
    } else {
        make_spare(cache, page);
    }
}

void page_cache_freeze(struct page_cache *cache)
{
    struct page *next;

    assert(cache->frozen == 0);
    for (struct page *p = cache->dirty_list; p != NULL; p = next) {
        next = p->list_next;
        p->dirty = false;
        if (p->dead) {
            make_spare(cache, p);
            continue;
        }
        p->frozen = true;
        p->list_next = cache->frozen_lists[p->rank];
        cache->frozen_lists[p->rank] = p;
        cache->frozen++;
    }
    cache->dirty_list = NULL;
    cache->dirty = 0;
}

struct page *page_cache_frozen(const struct page_cache *cache, unsigned rank)
{
    return cache->frozen_lists[rank];
}

struct page *page_cache_dirty(const struct page_cache *cache)
{
    return cache->dirty_list;
}

void page_cache_thaw(struct page_cache *cache)
{
    for (unsigned rank = 0; rank < RANKS; rank++) {
        struct page *next;

        for (struct page *p = cache->frozen_lists[rank]; p != NULL; p = next) {
            next = p->list_next;
            p->frozen = false;
            p->list_next = NULL;
            if (p->dead) {
                detach(cache, p);
                make_spare(cache, p);
            }
        }
        cache->frozen_lists[rank] = NULL;
    }
    cache->frozen = 0;
}

uint64_t page_cache_dirty_count(const struct page_cache *cache)
{
    return cache->dirty;
}

uint64_t page_cache_frozen_count(const struct page_cache *cache)
{
    return cache->frozen;
}

uint64_t page_cache_count(const struct page_cache *cache)
{
    return cache->total;
}
