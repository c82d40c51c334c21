/*
 * The store: images (logical disks known by number) in copy-on-write extents, behind the seam of
 * io/io.h. What it promises is in store/README.md; the format in format/FORMAT.md.
 *
 * The store starts no thread. Background work is done by store_step; threads around it call that in
 * production (server/volume), and a test calls it in an order that a seed decides. Whatever an
 * operation needs and the background has not done yet, the operation does itself: no call waits for
 * a step that nobody runs.
 *
 * Errors: 0 or -errno, with a line in varve_error() set where the problem was found.
 *   -EIO     damage, or the store is failed (store_failed)
 *   -ENOSPC  before any side effect
 *   -ENOMEM  that call failed, the store goes on
 *   -EINVAL  past the end (-ENOSPC for writes), -EPERM frozen, -ENOENT no such image
 *
 * Threads: all functions but open and close may be called from any thread at once. Locking: one
 * mutex, held across no I/O, and range locks of an image; see store/README.md for their order.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

struct store;
struct store_image; /* an open image */

struct store_geometry {
    uint64_t limit;       /* bytes the extents may grow to; at least STORE_LIMIT_MIN */
    uint64_t journal;     /* bytes, a multiple of 4096, at least STORE_JOURNAL_MIN */
    uint8_t identity[16]; /* all zero: drawn with io random */
};

#define STORE_LIMIT_MIN   ((uint64_t)8 << 20)
#define STORE_JOURNAL_MIN ((uint64_t)256 << 10)

struct store_options {
    uint64_t cache_bytes;    /* map pages and counts; 0: 128 MiB */
    unsigned extent_slots;   /* open extents; 0: 16, at least 2, at most 64 */
    unsigned extent_blocks;  /* blocks in each; 0: 256 (1 MiB), at least 8, at most 256 */
    uint64_t dirty_bytes;    /* a checkpoint starts when this much is dirty; 0: cache_bytes / 2 */
    uint64_t inline_bytes;   /* at most this much data travels inside a journal batch; UINT64_MAX:
                                default 64 KiB; 0: none */
    uint64_t straight_bytes; /* from here on a write is large and does without the open extents; 0:
                                64 KiB */
    bool stage_large;        /* large writes go through the open extents, too: for a caller that has
                                nobody to receive the next one meanwhile, and so wants its answer soon */
    unsigned early_after;    /* after so many flushes in a row that were to be expected, the batch
                                of a write is begun before its flush comes; 0: 4 */
    bool read_only;          /* replays in memory, writes nothing */
};

/* Makes an empty store on files that exist: superblocks, tables and an empty journal, synced. */
int store_format(struct io *io, const struct store_geometry *geometry);

/* Recovers and opens. `options` may be NULL. `io` stays the caller's and must outlive the store. */
int store_open(struct io *io, const struct store_options *options, struct store **ret_store);

/* Flush, checkpoint, and a mark that the stop was clean. Afterwards only store_close is legal. */
int store_shutdown(struct store *store);

/* Frees the memory and writes nothing: without store_shutdown before, this is a crash. Takes NULL.
 */
void store_close(struct store *store);

/* True after a failed sync or journal or superblock write: no write or flush succeeds any more. */
bool store_failed(struct store *store);

/* --- images ---------------------------------------------------------------------------------- */

enum { STORE_LABEL_MAX = 95 };

enum store_image_flags {
    STORE_IMAGE_FROZEN = 1,     /* never changes again */
    STORE_IMAGE_RESERVED = 2,   /* its size is set aside */
    STORE_IMAGE_INCOMPLETE = 4, /* it was made with the flag, and is being filled; or a write to it
                                   was refused for want of space or failed since the flag was last
                                   cleared: somebody's data may be missing */
};

struct store_image_info {
    uint64_t image;  /* number; never used again after a delete */
    uint64_t size;   /* bytes */
    uint64_t mapped; /* bytes mapped, shared or not */
    uint64_t parent; /* the image it was cloned from, or 0 */
    unsigned flags;
    uint64_t set_aside; /* bytes: what a reserved one can hold (its size) less what it has for
                           itself; near, not less than exact, while deletes are counted down */
    char
        label[STORE_LABEL_MAX + 1]; /* what the image was called, from which names can be rebuilt */
};

int store_image_create(struct store *store, uint64_t size, unsigned flags, const char *label,
                       uint64_t *ret_image);

/* A clone of each source, all at one point in time. With STORE_IMAGE_FROZEN it is a snapshot. Costs
 * the same whatever the images hold. */
struct store_clone {
    uint64_t source;
    unsigned flags;
    const char *label;
    uint64_t image; /* set: the new image's number */
};
int store_image_clone(struct store *store, struct store_clone *clones, size_t count);

/* Gone at once; what it alone referred to is reclaimed in the background. -EBUSY while it is open.
 */
int store_image_delete(struct store *store, uint64_t image);

/* Shrinking drops what lies past the new end. */
int store_image_resize(struct store *store, uint64_t image, uint64_t size);
/* Writes that are under way end before, later ones see the new flags: a freeze finds none half in.
 * Reads go on. */
int store_image_set_flags(struct store *store, uint64_t image, unsigned flags);
/* The same for some of them; the others stay. */
int store_image_change_flags(struct store *store, uint64_t image, unsigned set, unsigned clear);
int store_image_set_label(struct store *store, uint64_t image, const char *label);

/* The head gets the content of `source` (size too), at one point in time. Nobody writes to `source`
 * meanwhile: it is frozen, or the caller's alone. -ENOSPC when its size is set aside and there is
 * no room to set aside what it would have to be then. `freed`: bytes of what the head holds now
 * that nothing else refers to (store_images_usage), which come back and count as room; 0: it counts
 * as staying. */
int store_image_rollback(struct store *store, uint64_t image, uint64_t source, uint64_t freed);
/* 0, or the -ENOSPC that a rollback would be refused with now. */
int store_image_rollback_fits(struct store *store, uint64_t image, uint64_t source, uint64_t freed);

/* Could so many bytes more be set aside now? -ENOSPC and how many are missing, pages that they need
 * included. Before that, what deletes left is counted down. */
int store_aside_fits(struct store *store, uint64_t bytes, uint64_t *ret_missing);

int store_image_stat(struct store *store, uint64_t image, struct store_image_info *ret_info);
/* The image with the lowest number above `after` (0 to begin); -ENOENT after the last. */
int store_image_next(struct store *store, uint64_t after, struct store_image_info *ret_info);

/* An open image cannot be deleted. Any number of opens. */
int store_image_open(struct store *store, uint64_t image, struct store_image **ret_image);
void store_image_close(struct store *store, struct store_image *image); /* takes NULL for image */

/* --- data ------------------------------------------------------------------------------------ */

enum store_write_flags { STORE_FUA = 1 };

uint64_t store_image_size(struct store *store, struct store_image *image);
int store_read(struct store *store, struct store_image *image, void *buffer, size_t length,
               uint64_t offset);
/* The same, or -EAGAIN, without a message, when it would have to wait for the device (io.h,
 * IO_NOWAIT); the buffer's content is undefined then. */
int store_read_nowait(struct store *store, struct store_image *image, void *buffer, size_t length,
                      uint64_t offset);
/* Whole blocks, by number, in rising order, none twice: one behind the other in `buffer`. As fast
 * as the device takes them together. Of a last block that the image has in part, the rest is not
 * its content. */
int store_read_scattered(struct store *store, struct store_image *image, const uint64_t *blocks,
                         size_t count, uint8_t *buffer);
int store_write(struct store *store, struct store_image *image, const void *buffer, size_t length,
                uint64_t offset, unsigned flags);
/* Makes the range read as zeroes; whole blocks become holes, edges are written. */
int store_zero(struct store *store, struct store_image *image, uint64_t length, uint64_t offset,
               unsigned flags);
/* Reads into the page cache below what the range maps. */
int store_prefetch(struct store *store, struct store_image *image, uint64_t length,
                   uint64_t offset);
/* A range that is likely to be read soon. */
struct store_ahead {
    uint64_t offset, length; /* bytes; what is past the end is ignored */
};
/* Begins to read the ranges into the page cache below and does not wait. A hint: what cannot be
 * begun, since its part of the map is not in memory, is left. */
void store_read_ahead(struct store *store, struct store_image *image,
                      const struct store_ahead *ranges, unsigned count);
/* The same for what somebody who reads in a row will want next, in the order of the device; waits
 * for the map where that was not begun before, and begins the part of it behind the range. At most
 * STORE_AHEAD_MAX. True: nothing was begun, since a few of its blocks are in memory already or all
 * of it lies in a row on the device, too, where the kernel does the same. */
#define STORE_AHEAD_MAX ((uint64_t)2 << 20)
bool store_read_ahead_in_row(struct store *store, struct store_image *image, uint64_t length,
                             uint64_t offset);
int store_flush(struct store *store);

struct store_extent {
    uint64_t offset, length; /* bytes, cut to the range asked for */
    bool hole;
};
/* Returns how many (1 to max), covering the range from its start without a gap; -errno on failure.
 */
int store_extents(struct store *store, struct store_image *image, uint64_t length, uint64_t offset,
                  struct store_extent *ret_extents, unsigned max);

/* --- comparing images ---------------------------------------------------------------------------
 *
 * Two images share a block only at the same offset: sharing comes from clones alone. So a walk of
 * both trees side by side, which passes over equal refs, finds every difference, at a cost that
 * depends on the differences and not on the sizes. "Same" is the same block, not the same bytes.
 */

enum store_comparison {
    STORE_SAME,      /* both refer to the same block, or both are holes */
    STORE_DIFF_DATA, /* they differ, and the second one has data */
    STORE_DIFF_HOLE, /* they differ, and the second one has a hole, or ends before */
};
struct store_difference {
    uint64_t offset, length; /* bytes, whole blocks except at the end of the range asked for */
    enum store_comparison what;
};
/* Compares a range, which may reach past the end of either image (nothing is there: a hole).
 * Returns how many (1 to max), covering the range from its start without a gap, neighbours with
 * different `what`; -errno on failure. It is a picture of one moment only when both images are
 * frozen. */
int store_compare(struct store *store, struct store_image *from, struct store_image *to,
                  uint64_t length, uint64_t offset, struct store_difference *ret_differences,
                  unsigned max);

/* What deleting images brings back. All bytes are multiples of 4096. */
struct store_usage {
    uint64_t mapped;   /* sum over the images of the bytes they map: blocks shared between two of
                          them count twice */
    uint64_t data;     /* data that nothing but these images refers to: comes back */
    uint64_t metadata; /* map pages that nothing but these images refers to: come back too */
};
/* Of `count` images taken together, each named once. Costs what they do not share with others. What
 * was deleted or trimmed refers to its blocks until it is reclaimed: too little is told until then.
 */
int store_images_usage(struct store *store, const uint64_t *images, size_t count,
                       struct store_usage *ret_usage);
/* Bytes of data that both images refer to. */
int store_images_shared(struct store *store, uint64_t a, uint64_t b, uint64_t *ret_bytes);

/* --- background ------------------------------------------------------------------------------ */

enum store_work {
    STORE_WRITE_OUT,  /* full open extents to their places */
    STORE_COMMIT,     /* the journal buffer, when it is half full or a second old */
    STORE_CHECKPOINT, /* one bounded piece of a checkpoint, when one is due or running */
    STORE_RECLAIM,    /* count down what deletes and trims left, and what is shared since */
    STORE_DISCARD,    /* hand freed space back below */
    STORE_WORKS
};

/* Does one bounded piece of that work. Returns 1 when it did something and there may be more, 0
 * when there is nothing to do, -errno on failure. */
int store_step(struct store *store, enum store_work work);

/* Waits until there may be work of that kind, or `nanoseconds` passed. Only for threads around the
 * store. Who waits for reclaim is woken for discards too: one thread does both. */
void store_wait(struct store *store, enum store_work work, uint64_t nanoseconds);
void store_wake_all(struct store *store);

/* Runs a whole checkpoint now, to its end. */
int store_checkpoint(struct store *store);
/* Runs reclaim until nothing is left, and checkpoints until all freed space is free. */
int store_settle(struct store *store);

/* --- looking at it --------------------------------------------------------------------------- */

struct store_stats {
    uint64_t limit_bytes, file_bytes, logical_bytes, mapped_bytes, used_bytes, free_bytes,
        held_bytes, reserve_bytes, metadata_bytes;
    uint64_t reads, read_bytes, writes, write_bytes, flushes, zeroes, zero_bytes;
    uint64_t device_write_bytes, journal_bytes, journal_used_bytes, commits, checkpoints;
    uint64_t checkpoint_time; /* io now() of the last one */
    uint64_t dirty_bytes, reclaim_pending, checksum_errors, cache_bytes;
    bool failed;
};
void store_get_stats(struct store *store, struct store_stats *ret_stats);

enum store_check_flags { STORE_CHECK_DATA = 1 };
struct store_check_result {
    uint64_t images, map_pages, data_blocks, problems;
};
typedef void (*store_check_report)(void *opaque, const char *line);
/* The independent recount: walks everything the newest checkpoint reaches, from the device, with
 * code that shares nothing with the counting, and compares. Takes a checkpoint first unless the
 * store is read-only; then it walks what recovery made in memory. Reports progress; -ECANCELED. */
int store_check(struct store *store, unsigned flags, store_check_report report, void *opaque,
                struct store_check_result *ret_result);

#endif
