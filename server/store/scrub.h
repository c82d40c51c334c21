/* The inside of the scrub; only for store_scrub*.c and for who takes blocks. */
#ifndef STORE_SCRUB_H
#define STORE_SCRUB_H

#include "store/internal.h"
#include "store/store_scrub.h"

enum scrub_phase {
    SCRUB_SUPERBLOCKS,
    SCRUB_SUMMARIES,
    SCRUB_COUNTS,
    SCRUB_TABLE,
    SCRUB_TRASH,
    SCRUB_IMAGES,
};

/* Whose page of a level the walk is inside of: it was met first by this walk. */
struct scrub_path {
    struct pblock at; /* block 0: none */
    uint64_t base;    /* first key below it */
};

struct store_scrub {
    struct store *store;
    struct store_scrub *next; /* in store->scrubs */
    enum scrub_phase phase;
    uint64_t key;   /* next block of the tree, or next page of the kind */
    uint64_t image; /* IMAGES: being walked; 0: to be found */
    uint64_t after; /* IMAGES: the last one that was done */
    struct scrub_path path[FOREST_LEVELS];
    uint64_t **seen; /* a bit for each block of the extents, in pieces that are made when needed */
    uint64_t seen_pieces;
    uint8_t *data; /* a leaf's worth of blocks */
    uint8_t *page; /* the page that was read last: `page_ref`, sound */
    struct ref page_ref;
    store_scrub_report report;
    void *opaque;
    struct store_scrub_state state; /* under the store's lock */
};

/* A tree at this moment. */
struct scrub_tree {
    struct ref root;
    uint8_t level, rank;
};

/* The tree that the scrub walks, of `image` in the phase IMAGES. 0, FOREST_NEED or -errno. */
int scrub_tree_now(const struct store_scrub *scrub, uint64_t image, struct scrub_tree *ret_tree);

/* Reads a block past all caches and counts it. Holds no lock. */
int scrub_read(struct store_scrub *scrub, struct pblock at, uint8_t *buffer);

/* The block of a page of `level`, or of data (SCRUB_DATA), at the scrub's key `key`, looked
 * damaged. Makes sure and reports it. 1: damaged, 0: not, or it is not referred to there any more,
 * -errno. Expects the lock and lets it go. */
enum { SCRUB_DATA = -1 };
int scrub_suspect_locked(struct store_scrub *scrub, struct ref ref, int level, uint64_t key);

void scrub_found_locked(struct store_scrub *scrub, const struct store_damage *damage);

/* One page that has its own place: superblocks, summaries, counts. 1: that phase has more, 0: it is
 * done, -errno. Expects the lock and lets it go. */
int scrub_fixed_step_locked(struct store_scrub *scrub);

/* Blocks were taken: what was seen there is something else from now on. */
void scrub_forget_locked(struct store *store, struct pblock first, uint64_t count);

#endif
