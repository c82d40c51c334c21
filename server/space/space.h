/*
 * Which blocks are in use: a reference count for each, in groups (format/layout.h), of which those
 * that are needed are in memory. Pure: no I/O; where a group is missing, a function returns
 * SPACE_NEED and the number of the group, the caller reads its count page and calls space_load, and
 * begins again.
 *
 * The life of a block:
 *
 *   free ---space_take---> taken ---space_claim---> in use (count 1) <--up/down--> (count n)
 *    ^  \_space_untake______/ |                        |
 *    |                        | space_abandon          | space_down to 0
 *    |                        v                        v
 *    +------ space_thaw --- held <---------------------+
 *
 * A held block was freed after the last frozen point; it becomes free when a checkpoint that
 * does not refer to it is durable (space_freeze ... space_thaw), and no earlier.
 * Only space_take yields a block that may be written.
 *
 * Counts change together with the maps, under the store's mutex; at a freeze they are exactly the
 * references of the frozen maps. Taken and held are known in memory only.
 *
 * Locking: none of its own; the store's mutex.
 */
#ifndef SPACE_SPACE_H
#define SPACE_SPACE_H

#include <stddef.h>

#include "base/block.h"
#include "base/memory.h"
#include "format/summary_page.h"

struct space;
struct space_group; /* a group in memory */

enum { SPACE_NEED = 1 };

struct space_setup {
    uint64_t total_blocks; /* of the store at its limit */
    uint64_t supergroups;  /* that have summaries on disk */
    uint64_t groups_max;   /* groups to keep in memory; at least SPACE_GROUPS_MIN */
    struct memory memory;
};

enum { SPACE_GROUPS_MIN = 640 };

/* NULL when there is no memory. */
struct space *space_new(const struct space_setup *setup);
void space_free(struct space *space); /* takes NULL */

/* What a summary page on disk says; once for each supergroup before anything else. */
void space_set_summary(struct space *space, const struct summary_page *page, unsigned slot,
                       uint32_t crc);

/* The next checkpoint writes the summary page into its other slot, although nothing in it has
 * changed. */
void space_rewrite_summary(struct space *space, uint64_t supergroup);

/* The slot that holds, and the checksum of its page, as the last checkpoint or the running one
 * wrote it. */
void space_summary_on_disk(const struct space *space, uint64_t supergroup, unsigned *ret_slot,
                           uint32_t *ret_crc);

/* --- groups in memory ---- */

/* The slot, checksum and state of a group as the disk has it. */
struct group_summary space_group_on_disk(const struct space *space, uint64_t group);

/* Brings a group into memory; harmless when it is there. -ENOMEM. */
int space_load(struct space *space, uint64_t group, const uint16_t *counts);

/* 0 when the block's count can be read and changed, SPACE_NEED and *ret_group when its group must
 * be loaded, -EINVAL when it is no block that is ever allocated (damage), -ENOMEM. */
int space_ready(struct space *space, struct pblock block, uint64_t *ret_group);

/* Is the block's group in memory? */
bool space_is_resident(const struct space *space, struct pblock block);

/* --- counts: all need space_ready before, under the same lock ---- */

uint16_t space_count(const struct space *space, struct pblock block);
void space_up(struct space *space, struct pblock block);   /* count must be below COUNT_MAX */
void space_down(struct space *space, struct pblock block); /* at zero the block is held */
/* Was a block counted up or down that was counted as free, or up beyond the limit? Then the counts
 * or the maps are damaged in a way that no checksum shows, nothing was done to that count, and
 * nothing more may be. Stays so. */
bool space_is_wrong(const struct space *space, struct pblock *ret_block);
void space_claim(struct space *space, struct pblock block);   /* taken: count 0 to 1 */
void space_abandon(struct space *space, struct pblock block); /* taken, perhaps written: held */
/* Free: taken, for a replay that knows the place from the journal. False when it is in use already.
 */
bool space_take_exactly(struct space *space, struct pblock block);

/* --- the allocator ---- */

/* Takes up to `want` free blocks next to each other, as long a run as is to be had quickly, so that
 * at least `keep` blocks stay free. 0, SPACE_NEED and *ret_group, -ENOSPC, -ENOMEM. */
int space_take(struct space *space, uint64_t want, uint64_t keep, struct pblock *ret_first,
               uint64_t *ret_count, uint64_t *ret_group);
/* Gives back taken blocks that were never written. */
void space_untake(struct space *space, struct pblock first, uint64_t count);

/* Has the whole group of the block space below, so that writing to it cannot fail? Known for groups
 * in memory only, and forgotten when part of the group is handed back. */
bool space_is_backed(const struct space *space, struct pblock block);
void space_set_backed(struct space *space, struct pblock block);
/* A group that is not backed and has at least that many free blocks, after the one that is taken
 * from; it may be one that was never used. False: none. */
bool space_next_unbacked(const struct space *space, uint64_t at_least, uint64_t *ret_group);

/* Takes the first free run at or behind *from in that group, and moves *from behind it. 0,
 * SPACE_NEED, -ENOENT when there is none, -ENOSPC. */
int space_take_from(struct space *space, uint64_t group, unsigned *from, uint64_t want,
                    uint64_t keep, struct pblock *ret_first, uint64_t *ret_count);

/* Changes whenever a hand-back begins or ends: who backs a group with the lock let go compares it.
 */
uint64_t space_discards(const struct space *space);

/* The allocator goes on behind this block; for a run whose space below could not be had. */
void space_skip(struct space *space);

/* A run of at least `min` free blocks that were not handed back below yet: takes it, when
 * `keep_backed` free blocks stay backed without its group. False: none. The caller hands it back
 * and calls space_discarded. */
bool space_take_discardable(struct space *space, uint64_t min, uint64_t keep_backed,
                            struct pblock *ret_first, uint64_t *ret_count);
void space_discarded(struct space *space, struct pblock first, uint64_t count, bool done);

struct space_totals {
    uint64_t free;   /* can be taken */
    uint64_t backed; /* those of them that are known to have space below */
    uint64_t used;   /* count above zero */
    uint64_t held;   /* wait for a checkpoint */
    uint64_t taken;  /* on their way into use */
    uint64_t total;  /* all allocatable blocks */
    uint64_t dirty_groups, resident_groups;
};
struct space_totals space_totals(const struct space *space);
uint64_t space_supergroups(const struct space *space);

/* --- checkpoint ---- */

/* The counts as they are now are what the checkpoint writes, until space_thaw. */
void space_freeze(struct space *space);

/* The next group that the checkpoint has to write: its number and frozen counts, valid until the
 * next call of any function here. False: none left. The caller encodes it for slot *ret_slot and
 * calls space_group_encoded with the checksum. */
bool space_next_frozen(struct space *space, uint64_t *ret_group, unsigned *ret_slot,
                       const uint16_t **ret_counts);
void space_group_encoded(struct space *space, uint64_t group, uint32_t crc);

/* After all groups: the next summary page to write, with the slot for it; false: none left. */
bool space_next_summary(struct space *space, uint64_t checkpoint, struct summary_page *ret_page,
                        unsigned *ret_slot);
void space_summary_encoded(struct space *space, uint64_t supergroup, uint32_t crc);

/* CRC-32C over the checksums of all summary pages: the superblock's summary_crc. */
uint32_t space_summary_crc(const struct space *space);

/* A held block that must stay held over the coming thaw. Harmless for others. */
void space_hold_longer(struct space *space, struct pblock block);

/* All of them must. */
void space_hold_all_longer(struct space *space);

/* The checkpoint is durable: what was held at the freeze is free. */
void space_thaw(struct space *space);

#endif
