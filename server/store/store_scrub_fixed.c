/*
 * The scrub of what has places of its own: the copies of the superblock, and the summary and count
 * pages in the slots that hold. A checkpoint writes the other slots, and memory knows of the new
 * ones from when they are encoded: while it is in a phase that writes what is to be looked at, the
 * scrub takes it out of there.
 */
#include <errno.h>

#include "format/count_page.h"
#include "store/check.h"
#include "store/scrub.h"

enum { FIXED_TRIES = 3 };

static bool is_settled(const struct store *store, enum scrub_phase phase)
{
    enum checkpoint_phase writes = store->checkpoint.phase;

    return phase == SCRUB_SUPERBLOCKS
               ? writes != CHECKPOINT_SUPERBLOCKS && writes != CHECKPOINT_FINISH
               : writes != CHECKPOINT_COUNTS && writes != CHECKPOINT_SUMMARIES;
}

/* False: the store failed in that phase, and what is on the device is not known. */
static bool settle(struct store *store, enum scrub_phase phase)
{
    while (!is_settled(store, phase)) {
        if (store_checkpoint_step_locked(store, false, true) < 0) {
            return false;
        }
    }
    return true;
}

/* --- superblocks ---- */

static void find_superblocks(struct store_scrub *scrub, const char *const *refusal)
{
    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        struct store_damage damage = {.kind = STORE_DAMAGED_SUPERBLOCK,
                                      .block = layout_superblock(copy).n,
                                      .reason = refusal[copy]};

        if (refusal[copy] != NULL) {
            scrub_found_locked(scrub, &damage);
        }
    }
}

/* All four as of one checkpoint: one that finishes meanwhile makes it begin again. */
static int superblocks_step(struct store_scrub *scrub)
{
    struct store *store = scrub->store;
    struct superblock super[LAYOUT_SUPERBLOCK_COPIES] = {{0}};
    const char *refusal[LAYOUT_SUPERBLOCK_COPIES];
    bool sound = false, readable = true;

    for (unsigned try = 0; try < FIXED_TRIES && !sound; try++) {
        uint64_t finished;

        do {
            if (!settle(store, SCRUB_SUPERBLOCKS)) {
                return 0;
            }
            finished = store->checkpoint.finished;
            pthread_mutex_unlock(&store->lock);
            sound = readable = true;
            for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
                struct pblock at = layout_superblock(copy);
                int r = scrub_read(scrub, at, scrub->data);

                readable = readable && r == 0;
                refusal[copy] =
                    r < 0 ? "cannot be read" : superblock_decode(scrub->data, at, &super[copy]);
            }
            pthread_mutex_lock(&store->lock);
        } while (finished != store->checkpoint.finished || !is_settled(store, SCRUB_SUPERBLOCKS));
        for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
            if (refusal[copy] == NULL && !store->options.read_only &&
                super[copy].checkpoint != store->super.checkpoint) {
                refusal[copy] = "is of another checkpoint";
            }
            sound = sound && refusal[copy] == NULL;
        }
    }
    if (!sound &&
        !(readable && store->options.read_only && check_superblocks_interrupted(super, refusal))) {
        find_superblocks(scrub, refusal);
    }
    return 0;
}

/* --- summaries and counts ---- */

struct fixed_page {
    bool written;
    struct pblock at;
    uint32_t crc;
};

static struct fixed_page page_now(const struct store_scrub *scrub)
{
    const struct store *store = scrub->store;
    struct fixed_page page = {.written = false};
    unsigned slot;

    if (scrub->phase == SCRUB_COUNTS) {
        struct group_summary summary = space_group_on_disk(store->space, scrub->key);

        return (struct fixed_page){summary.written, layout_count_slot(scrub->key, summary.slot),
                                   summary.crc};
    }
    if (scrub->key < store->super.supergroups) {
        space_summary_on_disk(store->space, scrub->key, &slot, &page.crc);
        page.at = layout_summary_slot(scrub->key, slot);
        page.written = true;
    }
    return page;
}

static const char *refusal_of(struct store_scrub *scrub, struct fixed_page page)
{
    const struct store *store = scrub->store;
    uint16_t counts[LAYOUT_GROUP_BLOCKS];
    struct summary_page summary;
    uint32_t crc;

    if (scrub_read(scrub, page.at, scrub->page) < 0) {
        return "cannot be read";
    }
    if (scrub->phase == SCRUB_COUNTS) {
        return count_page_decode(store->seed, page.at, scrub->key, page.crc, scrub->page, counts);
    }
    const char *refusal =
        summary_page_decode(store->seed, page.at, scrub->key, scrub->page, &summary, &crc);
    return refusal == NULL && crc != page.crc ? "is of another checkpoint" : refusal;
}

/* What holds in a settled moment stays on the device until it holds no more. */
static void page_step(struct store_scrub *scrub)
{
    struct store *store = scrub->store;
    const char *refusal = "";
    struct fixed_page page, now;

    scrub->page_ref = ref_hole();
    for (unsigned try = 0; try < FIXED_TRIES && refusal != NULL; try++) {
        do {
            if (!settle(store, scrub->phase)) {
                return;
            }
            page = page_now(scrub);
            if (!page.written) {
                return;
            }
            pthread_mutex_unlock(&store->lock);
            refusal = refusal_of(scrub, page);
            pthread_mutex_lock(&store->lock);
            now = page_now(scrub);
        } while (refusal != NULL && (now.at.n != page.at.n || now.crc != page.crc));
    }
    if (refusal != NULL) {
        struct store_damage damage = {.kind = scrub->phase == SCRUB_COUNTS ? STORE_DAMAGED_COUNTS
                                                                           : STORE_DAMAGED_SUMMARY,
                                      .block = page.at.n,
                                      .reason = refusal};

        scrub_found_locked(scrub, &damage);
    }
}

int scrub_fixed_step_locked(struct store_scrub *scrub)
{
    uint64_t supergroups = space_supergroups(scrub->store->space);
    uint64_t count =
        scrub->phase == SCRUB_COUNTS ? supergroups * LAYOUT_SUPERGROUP_GROUPS : supergroups;
    bool read = false;

    if (scrub->phase == SCRUB_SUPERBLOCKS) {
        return superblocks_step(scrub);
    }
    while (!read && scrub->key < count) {
        read = page_now(scrub).written;
        if (read) {
            page_step(scrub);
        }
        scrub->key++;
    }
    return read;
}
