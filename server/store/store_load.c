/* Loading what a store begins with: the newest superblock, and the summaries of its counts. */
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "store/internal.h"

int store_read_superblock(struct io *io, uint8_t *buffer, struct superblock *ret_super)
{
    const char *refusal = "cannot be read";
    bool found = false;

    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        struct superblock super;
        struct io_request request = {.op = IO_READ,
                                     .file = IO_EXTENTS,
                                     .offset = pblock_offset(layout_superblock(copy)),
                                     .length = BLOCK_SIZE,
                                     .buffer = buffer};

        if (io->ops->perform(io, &request, 1) < 0) {
            continue;
        }
        const char *why = superblock_decode(buffer, layout_superblock(copy), &super);
        if (why != NULL) {
            refusal = why;
        } else if (!found || super.checkpoint > ret_super->checkpoint) {
            *ret_super = super;
            found = true;
        }
    }
    if (!found) {
        return varve_fail(EIO, "no superblock of the store is sound: the last one looked at %s",
                          refusal);
    }
    if ((ret_super->incompat & ~SUPERBLOCK_KNOWN_INCOMPAT) != 0) {
        return varve_fail(ENOTSUP, "the store uses features (0x%llx) that this build does not know",
                          (unsigned long long)ret_super->incompat);
    }
    return 0;
}

/* Brings all copies to the newest superblock, before anything that an older one refers to is
 * overwritten: the last checkpoint may have come no further than its first copy, and a power cut
 * could tear that one next. */
int store_level_superblocks(struct store *store)
{
    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        struct superblock super;
        int r = store_read_block(store, layout_superblock(copy), store->checkpoint_buffer);

        if (r == 0 &&
            superblock_decode(store->checkpoint_buffer, layout_superblock(copy), &super) == NULL &&
            super.checkpoint == store->super.checkpoint) {
            continue;
        }
        r = store_write_superblock(store->io, &store->super, copy, store->checkpoint_buffer);
        if (r < 0) {
            return varve_fail(-r, "cannot write superblock copy %u: %s", copy, strerror(-r));
        }
    }
    return 0;
}

/* The newer sound slot that is not newer than the superblock. */
static int load_summary(struct store *store, uint64_t supergroup, uint8_t *buffer)
{
    struct summary_page best = {0};
    uint32_t best_crc = 0;
    int best_slot = -1;
    bool unfinished = false;

    for (unsigned slot = 0; slot < 2; slot++) {
        struct pblock at = layout_summary_slot(supergroup, slot);
        struct summary_page page;
        uint32_t crc;

        if (store_read_block(store, at, buffer) < 0 ||
            summary_page_decode(store->seed, at, supergroup, buffer, &page, &crc) != NULL) {
            continue;
        }
        if (page.checkpoint > store->super.checkpoint) {
            unfinished = true;
        } else if (best_slot < 0 || page.checkpoint > best.checkpoint) {
            best = page;
            best_crc = crc;
            best_slot = (int)slot;
        }
    }
    if (best_slot < 0) {
        return varve_fail(EIO, "both summaries of supergroup %llu are damaged",
                          (unsigned long long)supergroup);
    }
    space_set_summary(store->space, &best, (unsigned)best_slot, best_crc);
    if (unfinished) {
        /* of a checkpoint that was not finished: the next one has its number, and would be taken to
         * have written this */
        space_rewrite_summary(store->space, supergroup);
    }
    return 0;
}

int store_load_summaries(struct store *store)
{
    for (uint64_t i = 0; i < store->super.supergroups; i++) {
        int r = load_summary(store, i, store->checkpoint_buffer);

        if (r < 0) {
            return r;
        }
    }
    if (space_summary_crc(store->space) != store->super.summary_crc) {
        return varve_fail(EIO, "a summary of the block counts is damaged or of another checkpoint");
    }
    return 0;
}
