/*
 * The scrub: reads everything that the store refers to from the device, past all caches, and
 * verifies its checksum, while I/O goes on. Blocks that many images share are read once.
 *
 *   store_scrub_open · store_scrub_step … · store_scrub_close
 *
 * A pass goes over the copies of the superblock, the summary and count pages that hold, the pages
 * of the image table and of the trash, and then image by image over map pages and data. It finds
 * all damage that is there from its beginning to its end, in what is referred to all that time and
 * does not move from an image that it has not seen yet to one that it has (a rollback can do that:
 * the next pass finds it). What is written meanwhile is not looked at; the journal is not either,
 * since a checkpoint replaces it within seconds; nor what waits to be reclaimed.
 *
 * It never takes for damage what is changed, freed and used again while it reads: what looks
 * damaged is read again, up to three times, while the block cannot be used for anything else.
 *
 * The position is kept in memory only: a new scrub begins at the beginning.
 *
 * Memory: 1 MiB, and one bit for each block of the extents in use. Threads: several scrubs of one
 * store may run at once, each used by one thread at a time; store_scrub_get by any.
 */
#ifndef STORE_STORE_SCRUB_H
#define STORE_STORE_SCRUB_H

#include "store/store.h"

struct store_scrub;

enum store_damage_kind {
    STORE_DAMAGED_SUPERBLOCK,
    STORE_DAMAGED_SUMMARY,
    STORE_DAMAGED_COUNTS,
    STORE_DAMAGED_TABLE,
    STORE_DAMAGED_TRASH,
    STORE_DAMAGED_MAP,
    STORE_DAMAGED_DATA,
};

enum { STORE_DAMAGE_IMAGES_MAX = 16 };

/* One damaged block. */
struct store_damage {
    enum store_damage_kind kind;
    uint64_t block;     /* of the extents: 4096 bytes at block * 4096 */
    const char *reason; /* static; completes "block N ..." */
    /* map pages and data: */
    uint64_t offset, length; /* bytes of the images that cannot be read, or less of a shorter one */
    uint64_t image_count;    /* images that map it ... */
    uint64_t images[STORE_DAMAGE_IMAGES_MAX]; /* ... and the first of them, ascending */
};

/* Called with no lock held, once for each damaged block and pass. */
typedef void (*store_scrub_report)(void *opaque, const struct store_damage *damage);

struct store_scrub_state {
    uint64_t passes;        /* finished */
    uint64_t bytes_read;    /* in all passes */
    uint64_t pass_bytes;    /* in this one, or in the last one when none is under way */
    uint64_t pass_damaged;  /* blocks, likewise */
    uint64_t total_bytes;   /* about what a pass reads, as of now */
    uint64_t image, offset; /* where it is; image 0: in the store's own pages */
    bool running;           /* a pass is under way */
};

/* -ENOMEM. */
int store_scrub_open(struct store *store, struct store_scrub **ret_scrub);
void store_scrub_close(struct store_scrub *scrub); /* before the store; takes NULL */

/* One bounded piece: reads at most 1 MiB. 1: there is more. 0: the pass is over, the next call
 * begins another. -ENOMEM: nothing is lost, call again. */
int store_scrub_step(struct store_scrub *scrub, store_scrub_report report, void *opaque);

void store_scrub_get(struct store_scrub *scrub, struct store_scrub_state *ret_state);

#endif
