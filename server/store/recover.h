/*
 * The parts of recovery that store_recover.c calls. Locking: recovery runs alone.
 */
#ifndef STORE_RECOVER_H
#define STORE_RECOVER_H

#include "format/journal_batch.h"
#include "store/internal.h"

/* What the dead server had in open extents goes to its places. */
int recover_stage_extents(struct store *store);

/* The blocks inside a batch go to their places, but for those whose records the superblock
 * contains. `bytes` is the whole batch. */
int recover_inline_blocks(struct store *store, const struct journal_batch *batch, uint8_t *bytes);

#endif
