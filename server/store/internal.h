/*
 * The insides of the store, for the files of this folder. store/README.md has the states, the
 * invariants by number and the order of locks.
 *
 * Lock order: range locks of an image, then store->lock. store->lock is held across no I/O: a
 * function that lets it go meanwhile says so. `_locked` in a name: the caller holds it.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <pthread.h>

#include "format/image_record.h"
#include "format/journal_batch.h"
#include "format/journal_record.h"
#include "format/superblock.h"
#include "io/io.h"
#include "journal/log.h"
#include "journal/ring.h"
#include "map/forest.h"
#include "space/space.h"
#include "store/flush_pattern.h"
#include "store/open_extents.h"
#include "store/overlay.h"
#include "store/range_lock.h"
#include "store/stage.h"
#include "store/store.h"

/* An image in memory. Lives while it is open or an operation uses it. */
struct store_image {
    uint64_t number;
    struct image_record record; /* as the table has it; the root's checksum may be pending */
    uint64_t epoch;             /* the table page is writable in this epoch, at `slot` */
    struct slot slot;
    unsigned uses;
    bool in_table; /* false: new, or deleted */
    struct range_locks ranges;
    struct store_image *next; /* in store->images */
};

enum { IMAGE_BUCKETS = 1024 };

enum checkpoint_phase {
    CHECKPOINT_IDLE,
    CHECKPOINT_DATA,      /* open extents with blocks of the frozen maps go to their places */
    CHECKPOINT_CHECKSUMS, /* of frozen pages, rank by rank */
    CHECKPOINT_PAGES,
    CHECKPOINT_COUNTS,
    CHECKPOINT_SUMMARIES,
    CHECKPOINT_SYNC,
    CHECKPOINT_SUPERBLOCKS, /* four copies, each durable before the next */
    CHECKPOINT_FINISH,
};

/* One buffer for what a checkpoint writes at a time. */
enum { CHECKPOINT_BATCH = 256 };

struct checkpoint {
    enum checkpoint_phase phase;
    bool stepping; /* a thread is inside a step, with the lock let go */
    bool wanted;
    bool paused;         /* a check reads the counts of the newest one: none begins */
    uint64_t finished;   /* how many were finished by this process */
    uint64_t time;       /* when the last one finished */
    unsigned rank;       /* CHECKSUMS: to do next */
    struct page **pages; /* PAGES: sorted by place */
    uint64_t page_count, page_done, pages_room;
    unsigned encoded; /* COUNTS, SUMMARIES: blocks in the buffer that are to be written */
    struct pblock places[CHECKPOINT_BATCH];
    unsigned copy;      /* SUPERBLOCKS: to write next */
    uint64_t write_seq; /* SYNC: what the sync covers */
    struct superblock super;
};

struct store_scrub; /* store_scrub.h */

/* The recount of what reserved images share; store_shares.c. */
struct shares_walk {
    bool stale;            /* something is shared less than records say, or may be */
    bool active;           /* a walk over all images is under way ... */
    uint64_t next;         /* ... and goes on with this one, ... */
    uint64_t image;        /* ... or is inside this one, if it is not 0 ... */
    uint64_t key, found;   /* ... where it counted that many blocks before this one */
    bool spoiled;          /* what it found of this image is of no use */
    uint64_t begun, ended; /* io now() of this walk, and of the last one */
    uint64_t pause;        /* after the last one */
};

/* Blocks of open extents, as they were at one point in time. */
struct extent_blocks {
    uint64_t blocks[STAGE_EXTENTS_MAX][EXTENT_WORDS];
    uint64_t opened[STAGE_EXTENTS_MAX];
};

/* A batch on its way into the ring. */
struct batch_under_way {
    struct journal_batch batch;
    uint64_t at;                 /* block of the ring */
    uint64_t write_seq;          /* what a sync of the extents beside it covers */
    struct extent_blocks travel; /* what it holds of open extents */
};

/* A batch that was written before anybody asked for it, since a flush is to be expected: see
 * store_commit.c. While it is active no other batch is begun. */
struct early_batch {
    struct flush_pattern pattern;
    bool active;
    struct batch_under_way way;
};

struct store {
    struct io *io;
    struct memory memory;
    struct store_options options;
    struct superblock
        super; /* as the newest durable checkpoint wrote it; all of it under the lock */
    uint32_t seed;

    pthread_mutex_t lock;
    pthread_cond_t changed;           /* anything that a waiting operation waits for */
    pthread_cond_t work[STORE_WORKS]; /* background threads sleep on the one of their kind */

    struct forest forest;
    struct page super_page;
    uint8_t super_bytes[BLOCK_SIZE];
    struct space *space;
    uint64_t epoch; /* grows at each freeze */
    uint64_t next_image;
    uint64_t reserve;        /* blocks */
    uint64_t dirty_max;      /* pages: a checkpoint is due; at twice that, changes wait for it */
    uint64_t freed_seq;      /* grows when space came back */
    uint64_t last_take;      /* io now() when places were last taken */
    bool no_space_below;     /* the file system below is full: keep what we have */
    uint64_t no_space_since; /* io now() when that was found last */
    uint64_t backed_min;     /* free blocks to keep backed, for what must work then */

    struct open_extents extents;
    uint64_t write_seq;  /* grows when a write to a data place completes that no journal carries */
    uint64_t synced_seq; /* what of it is durable */
    struct overlay overlay; /* read-only: blocks that recovery knows better than the device */

    struct stage stage;
    bool stage_is_ours;         /* a dead server of this session left it */
    bool doubt;                 /* recovery: after a failed sync no cache is believed */
    uint64_t replayed;          /* recovery: records before this LSN are in */
    struct log_marks recovered; /* recovery: of an empty log */
    uint64_t refused;           /* recovery: the record at this LSN was not taken */
    struct log log;
    struct ring ring;
    uint64_t durable_seq; /* the last journal batch known to be durable */
    bool committing;
    uint64_t last_commit; /* io now() */
    uint8_t *batch;       /* the batch being written */
    size_t batch_size;
    struct early_batch early;
    uint64_t inline_max;   /* blocks */
    uint64_t straight_min; /* blocks: pieces of that many are large */

    struct checkpoint checkpoint;
    uint8_t *checkpoint_buffer;

    struct store_image *images[IMAGE_BUCKETS];
    bool replaying, failed, stopping;
    unsigned checking;          /* checks that walk a checkpoint: freed blocks stay held */
    struct store_scrub *scrubs; /* all that are open */
    uint64_t promised;          /* blocks: sum over all requests of what they may still take */
    uint64_t reserved_blocks;   /* set aside for reserved images, without their pages */
    uint64_t shared_blocks;     /* of reserved images, as their records say */
    struct shares_walk shares;
    struct store_stats counters;
    uint64_t mapped_blocks, logical_bytes; /* sums over all images */
};

/* --- store_need.c: providing what the forest needs ---- */

/* One read of one block, with flags of io, and no line when it fails. */
int store_fetch_block(struct store *store, struct pblock at, unsigned flags, uint8_t *buffer);
/* Reads and verifies a block that the store itself needs (page, count page). */
int store_read_block(struct store *store, struct pblock at, uint8_t *buffer);

/* Provides store->forest.need. The lock is let go meanwhile. */
int store_provide_locked(struct store *store);
/* The same, with `keep` blocks kept free when places for new pages are needed. */
int store_provide_keeping_locked(struct store *store, uint64_t keep);
/* -ENOSPC: a block has as many references as can be counted. */
int store_shared_too_often(struct pblock block);
/* For long walks over maps: counts a step in *steps, and lets the lock go for a moment after some
 * of them, so that reads and writes do not wait for the walk. */
void store_walk_on_locked(struct store *store, unsigned *steps);

/* Takes blocks for data. `keep` blocks stay free. The lock is let go meanwhile when groups must be
 * loaded. */
int store_take_locked(struct store *store, uint64_t want, uint64_t keep, struct pblock *ret_first,
                      uint64_t *ret_count);

/* Brings the counts of a group into memory. Lets the lock go. */
int store_provide_group_locked(struct store *store, uint64_t group);

/* store_back.c: the same as store_take_locked, with space below that cannot run out when they are
 * written. When the file system below is full, the last of it is for pages. */
enum take_use { TAKE_FOR_PAGES, TAKE_FOR_DATA, TAKE_FOR_PROMISED_DATA };
int store_take_backed_locked(struct store *store, enum take_use use, uint64_t want, uint64_t keep,
                             struct pblock *ret_first, uint64_t *ret_count);
/* Has so many blocks, beyond what is kept for pages, backed while space below is to be had. -ENOSPC
 * when it is known not to be. Lets the lock go. */
int store_back_ahead_locked(struct store *store, uint64_t blocks);

/* --- store_change.c: one change of the maps, the same at run time and at replay ---- */

/* Applies a record and appends it to the log. JOURNAL_HOLE may do less: record->blocks says what
 * was done; so may a move, which is done as a whole or not at all (0). May let the lock go before
 * the change, never between the change and its record. */
int store_change_locked(struct store *store, struct journal_record *record);

/* Several clones as one group, at one point in time; at most STORE_GROUP_MAX. */
enum { STORE_GROUP_MAX = 256 };
int store_change_group_locked(struct store *store, struct journal_record *records, size_t count);

/* Makes the path of an image's map to the page of level `bottom` writable, and so its own: changes
 * below it need no more than new places for these pages, until the image is cloned. With `keep`
 * blocks kept free. Lets the lock go. */
int store_prepare_path_locked(struct store *store, struct store_image *image, uint64_t key,
                              uint8_t bottom, uint64_t keep);
/* Pages of level 0 that are there and hold nothing go again; best effort. */
void store_prune_leaf_locked(struct store *store, struct store_image *image, uint64_t key);

/* After every change of counts: -EIO and a failed store when one was impossible. */
int store_check_counts_locked(struct store *store);

/* store_room.c: frees space that only waits: runs reclaim and a checkpoint. False when nothing came
 * back. Lets the lock go. */
bool store_make_room_locked(struct store *store);

/* --- store_table.c: images in memory and their records in the table ---- */

/* The image, read from the table when it is not in memory, with one use more. -ENOENT. The lock may
 * be let go. */
int image_get_locked(struct store *store, uint64_t number, struct store_image **ret_image);
/* An image in memory that the table does not have yet. -ENOMEM. */
int image_new_locked(struct store *store, uint64_t number, struct store_image **ret_image);
void image_release_locked(struct store *store, struct store_image *image); /* takes NULL */
struct store_image *image_find(const struct store *store, uint64_t number);
/* Its record can be changed, at image->slot. 0, FOREST_NEED or -errno. */
int image_writable(struct store *store, struct store_image *image);
struct tree image_tree(const struct store_image *image);
/* Writes image->record into the table, or clears it there. image_writable came before. */
void image_put(struct store *store, struct store_image *image);
void image_erase(struct store *store, struct store_image *image);
/* After a change through the tree: takes the root over from the table. */
void image_reload_root(struct store *store, struct store_image *image);
/* Roots whose checksum the checkpoint has computed. */
void images_fill(struct store *store);
/* Adds the image to the sums over all images, or takes it out of them: before and after every
 * change of its record. */
void image_count(struct store *store, const struct image_record *record, bool in);
/* Blocks that are set aside for it: what it can hold, less what it has for itself. */
uint64_t image_outstanding(const struct image_record *record);
/* The record of a number, without bringing the image into memory. The lock may be let go. */
int image_record_locked(struct store *store, uint64_t number, struct image_record *ret_record);
/* The same without letting the lock go: 0, FOREST_NEED or -errno. */
int image_record_now(struct store *store, uint64_t number, struct image_record *ret_record);

/* --- store_shares.c: what reserved images share ---- */

/* So many blocks with the map pages that they need when none of these is there. */
uint64_t blocks_with_pages(uint64_t blocks);
/* All that is set aside for reserved images. */
uint64_t store_set_aside_locked(const struct store *store);
/* -ENOSPC: so many blocks more cannot be set aside now. */
int store_aside_fits_locked(struct store *store, uint64_t blocks);
/* Blocks that are set aside when the image is cloned: for the clone, if its flags say so, and for
 * the image itself, which shares all then (`again`: it does already). */
uint64_t record_clone_wants(const struct image_record *source, unsigned flags, bool again);
/* The record of an image all of whose blocks something else refers to, now. */
void record_shares_all(struct image_record *record);
/* A clone of the image is made, or another's content becomes its own: from now on it shares all
 * that it maps. The record is put into the table. */
void image_shares_all(struct store *store, struct store_image *image);
/* New content took the place of `shared` blocks of it that something else refers to. */
void image_shares_less(struct store *store, struct store_image *image, uint64_t key,
                       uint64_t shared);
/* The same for a hole. */
void image_shares_hole(struct store *store, struct store_image *image, uint64_t key,
                       const struct forest_hole *hole);
/* References were counted down that no image's own change counted down. */
void store_shares_stale_locked(struct store *store);
/* A step of the recount: 1 more to do, 0 nothing to do now, -errno. Unless it is `wanted` it waits
 * for a while after the last one. Lets the lock go. */
int store_shares_step_locked(struct store *store, bool wanted);
bool store_shares_due(const struct store *store, bool wanted);
/* A store that was last written before records said what is shared: they say it now. */
int store_shares_begin_locked(struct store *store);

/* The lowest image from `*number` on: -ENOENT, and *number past what was looked at; 0; FOREST_NEED
 * or -errno. Looks at one page of the table. */
int image_next_now(struct store *store, uint64_t *number, struct image_record *ret_record);

/* --- store_commit.c ---- */

/* Makes the log durable up to `lsn`. Lets the lock go. */
int store_commit_locked(struct store *store, uint64_t lsn);
/* The same for all that is published, on behalf of a client. */
int store_commit_flush_locked(struct store *store);
/* After a change, before its answer: begins to write its batch when a flush is to be expected next.
 * Lets the lock go. */
void store_commit_early_locked(struct store *store);
/* Before full extents are written out: commits when then all that they hold is carried by the
 * journal. Best effort. False when a commit is under way, whose end is to be waited for: it wakes
 * for STORE_WRITE_OUT. Lets the lock go. */
bool store_commit_carry_locked(struct store *store);
/* Once, or -EAGAIN when another commit or write-out is under way and `wait` is false. */
int store_commit_once(struct store *store, bool wait);

/* --- store_write_out.c ---- */

/* Writes complete blocks of open extents to their places: of full extents, or of all. 1 when
 * something was written, 0 when there was nothing, -EAGAIN when others are writing. Lets the lock
 * go. */
int store_write_out_locked(struct store *store, bool all);

/* --- store_checkpoint.c ---- */

/* One step: 1 more to do, 0 nothing to do (or, without `wait`, another thread is at it), -errno.
 * Lets the lock go. */
int store_checkpoint_step_locked(struct store *store, bool begin, bool wait);
/* A whole one that begins after this call. */
int store_checkpoint_locked(struct store *store);
bool store_checkpoint_due(const struct store *store);
/* One copy, durable, by way of `buffer`, which is one block. */
int store_write_superblock(struct io *io, const struct superblock *super, unsigned copy,
                           uint8_t *buffer);

/* --- the rest ---- */

/* Sticky: refuse everything that changes from now on. Returns -EIO. */
int store_fail_locked(struct store *store, const char *what, int error);
int store_check_alive_locked(const struct store *store);
/* The newest sound superblock; `buffer` is one block. */
int store_read_superblock(struct io *io, uint8_t *buffer, struct superblock *ret_super);
int store_level_superblocks(struct store *store);
int store_recover(struct store *store);
int store_load_summaries(struct store *store);
void store_wake_locked(struct store *store, enum store_work work);
/* store_discard.c: hands one freed run back below. 1, 0 or -errno. Lets the lock go. */
int store_discard_step_locked(struct store *store);

#endif
