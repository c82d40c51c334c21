/*
 * Map pages in memory, by the block they lie at. A page is clean (as on disk), dirty (born in the
 * present epoch, changed in place, not on disk) or frozen (dirty when the running checkpoint began:
 * never changes again, on its way to disk). Dirty and frozen pages stay; clean ones go when room is
 * needed, least recently used first.
 *
 * Ownership: a page belongs to the cache. A pointer to it is good until the store's mutex is let
 * go, for dirty pages until the next freeze.
 *
 * Locking: none of its own; the store's mutex. The bytes of a frozen page change only where a
 * checksum of a child is filled in, by the checkpoint.
 */
#ifndef MAP_PAGE_CACHE_H
#define MAP_PAGE_CACHE_H

#include "base/block.h"
#include "base/memory.h"

/* What kind of page it is, and the order in which a checkpoint computes checksums: every page comes
 * before the pages that refer to it. Level 0 of the table is a page of image records. */
enum page_rank {
    RANK_IMAGE = 0,  /* + level */
    RANK_TRASH = 8,  /* + level */
    RANK_TABLE = 16, /* + level */
    RANK_SUPER = 24, /* the page in memory that stands for the superblock: the two roots */
    RANKS = 25,
};

struct page {
    struct pblock at;
    uint8_t *bytes;
    uint32_t crc; /* frozen: set by the checkpoint */
    uint8_t rank;
    bool dirty, frozen,
        dead; /* dead: nothing refers to it any more; it goes when its list is done */
    struct page *hash_next;
    struct page *older, *newer;
    struct page *list_next; /* dirty list, or frozen list of its rank */
};

struct page_cache;

/* NULL when there is no memory. `pages_max` clean and dirty pages; more only when that many are
 * dirty. */
struct page_cache *page_cache_new(uint64_t pages_max, const struct memory *memory);
void page_cache_free(struct page_cache *cache); /* takes NULL */

struct page *page_find(struct page_cache *cache, struct pblock at);

/* Sees to it that `count` calls of page_add succeed. -ENOMEM. */
int page_room(struct page_cache *cache, unsigned count);

/* A clean page of that place, replacing what was there; its bytes are undefined. page_room was
 * called. */
struct page *page_add(struct page_cache *cache, struct pblock at, uint8_t rank);

/* A clean page that moves to another place (its bytes stay). */
void page_move(struct page_cache *cache, struct page *page, struct pblock at);
void page_make_dirty(struct page_cache *cache, struct page *page);

/* Nothing refers to the page any more. */
void page_drop(struct page_cache *cache, struct page *page);

/* All dirty pages are frozen now, and in lists by rank. */
void page_cache_freeze(struct page_cache *cache);
struct page *page_cache_frozen(const struct page_cache *cache, unsigned rank);
struct page *page_cache_dirty(const struct page_cache *cache); /* linked by list_next */
/* All frozen pages are on disk: they are clean. */
void page_cache_thaw(struct page_cache *cache);

uint64_t page_cache_dirty_count(const struct page_cache *cache);
uint64_t page_cache_frozen_count(const struct page_cache *cache);
uint64_t page_cache_count(const struct page_cache *cache);

#endif
