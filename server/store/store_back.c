/*
 * Space below: places are taken only where writing cannot fail for want of it. Groups are backed
 * whole, one call for 8 MiB. When the file system below is full, what is backed already serves, and
 * the last of it (backed_min) is for metadata alone: deletes, checkpoints and an open have to work
 * then.
 */
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "store/internal.h"
#include "store/scrub.h"

/* How long it is taken for granted that the file system below is still full. */
#define NO_SPACE_AGAIN UINT64_C(1000000000)

/* Runs that are tried one by one, when no group can be backed. */
enum { RUNS_MAX = 4096 };

/* The group, its count slots and its supergroup's summaries: the checkpoint finds room for the
 * counts. */
static int back_group(struct io *io, uint64_t group, uint64_t total_blocks)
{
    struct pblock start = layout_count_slot(group, 0);
    uint64_t blocks = 2 + layout_group_size(group, total_blocks);
    struct pblock summary = layout_summary_slot(group / LAYOUT_SUPERGROUP_GROUPS, 0);
    int r = io->ops->allocate(io, IO_EXTENTS, pblock_offset(summary), 2 * BLOCK_SIZE);

    return r < 0 ? r
                 : io->ops->allocate(io, IO_EXTENTS, pblock_offset(start), blocks << BLOCK_SHIFT);
}

/* When there is too little for a group: the run, and the slots for its counts. */
static int back_run(struct io *io, uint64_t group, struct pblock first, uint64_t count)
{
    int r = io->ops->allocate(io, IO_EXTENTS, pblock_offset(layout_count_slot(group, 0)),
                              2 * BLOCK_SIZE);

    return r < 0 ? r
                 : io->ops->allocate(io, IO_EXTENTS, pblock_offset(first), count << BLOCK_SHIFT);
}

/* Notes what came of backing a whole group with the lock let go. */
static void note_backed(struct store *store, uint64_t group, int r, uint64_t discards)
{
    if (r == 0) {
        store->no_space_below = false;
        if (discards == space_discards(store->space)) {
            space_set_backed(store->space, layout_group_first(group));
        }
    } else if (r == -ENOSPC) {
        store->no_space_below = true;
        store->no_space_since = store->io->ops->now(store->io);
    }
}

/* Has the taken run backed. Read-only stores write nothing there. Lets the lock go. */
static int back_places(struct store *store, struct pblock first, uint64_t count)
{
    uint64_t total = store->super.limit_blocks;
    uint64_t group = 0;
    unsigned index;

    if (store->options.read_only || space_is_backed(store->space, first)) {
        return 0;
    }
    layout_locate(first, total, &group, &index);
    uint64_t discards = space_discards(store->space);
    pthread_mutex_unlock(&store->lock);
    int whole = back_group(store->io, group, total);
    int r = whole == -ENOSPC ? back_run(store->io, group, first, count) : whole;
    pthread_mutex_lock(&store->lock);
    note_backed(store, group, whole, discards);
    return r;
}

/* Backs one more group with at least that many free blocks: 1, or 0 when there is none or it
 * failed. */
static int back_one(struct store *store, uint64_t at_least)
{
    uint64_t total = store->super.limit_blocks;
    uint64_t group;

    if (store->options.read_only || store->no_space_below ||
        !space_next_unbacked(store->space, at_least, &group) ||
        store_provide_group_locked(store, group) < 0) {
        return 0;
    }
    uint64_t discards = space_discards(store->space);
    pthread_mutex_unlock(&store->lock);
    int r = back_group(store->io, group, total);
    pthread_mutex_lock(&store->lock);
    note_backed(store, group, r, discards);
    return r == 0;
}

/* Backs the next group before the present one is used up, so that backed_min blocks are there when
 * the file system below turns out to be full. What fails here fails later where it matters. */
static void back_ahead(struct store *store)
{
    if (space_totals(store->space).backed < store->backed_min) {
        (void)back_one(store, store->backed_min);
    }
}

int store_back_ahead_locked(struct store *store, uint64_t blocks)
{
    uint64_t goal = store->backed_min + blocks;
    uint64_t before = 0;

    /* Else it would be full for ever: who is refused here takes no places that could find room. */
    if (store->io->ops->now(store->io) - store->no_space_since >= NO_SPACE_AGAIN) {
        store->no_space_below = false;
    }
    while (space_totals(store->space).backed < goal &&
           space_totals(store->space).backed != before) {
        before = space_totals(store->space).backed;
        if (!back_one(store, store->backed_min)) {
            (void)back_one(store, 1);
        }
    }
    if (store->no_space_below && space_totals(store->space).backed < goal) {
        return varve_fail(ENOSPC, "the file system below the store is full");
    }
    return 0;
}

/* The first free run of the store, group by group, that is backed or can be. */
static int take_anywhere(struct store *store, uint64_t want, uint64_t keep,
                         struct pblock *ret_first, uint64_t *ret_count)
{
    uint64_t groups = space_supergroups(store->space) * LAYOUT_SUPERGROUP_GROUPS;
    unsigned tries = 0;

    for (uint64_t group = 0; group < groups && tries < RUNS_MAX; group++) {
        unsigned from = 0;
        int r = 0;

        while (r != -ENOENT && tries < RUNS_MAX) {
            r = space_take_from(store->space, group, &from, want, keep, ret_first, ret_count);
            if (r == SPACE_NEED) {
                r = store_provide_group_locked(store, group);
            } else if (r == 0) {
                r = back_places(store, *ret_first, *ret_count);
                if (r == 0) {
                    scrub_forget_locked(store, *ret_first, *ret_count);
                    return 0;
                }
                space_untake(store->space, *ret_first, *ret_count);
                tries++;
                r = r == -ENOSPC ? 0 : r;
            }
            if (r < 0 && r != -ENOENT) {
                return r;
            }
        }
    }
    return varve_fail(ENOSPC, "the file system below the store is full");
}

int store_take_backed_locked(struct store *store, enum take_use use, uint64_t want, uint64_t keep,
                             struct pblock *ret_first, uint64_t *ret_count)
{
    uint64_t now = store->io->ops->now(store->io);
    bool full_below = store->no_space_below && now - store->no_space_since < NO_SPACE_AGAIN;

    store->last_take = now;
    if (full_below && use == TAKE_FOR_DATA &&
        space_totals(store->space).backed <= store->backed_min + store->promised) {
        return varve_fail(ENOSPC, "the file system below the store is full");
    }
    int r = store_take_locked(store, want, keep, ret_first, ret_count);
    if (r < 0) {
        return r;
    }
    r = back_places(store, *ret_first, *ret_count);
    if (r == 0) {
        back_ahead(store);
        return 0;
    }
    space_untake(store->space, *ret_first, *ret_count);
    if (r != -ENOSPC) {
        return varve_fail(-r, "cannot get space for the extents from below: %s", strerror(-r));
    }
    return take_anywhere(store, want, keep, ret_first, ret_count);
}
