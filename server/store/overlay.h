/*
 * Blocks that recovery knows better than the device, in a store that is opened read-only: data that
 * only the journal or a dead server's memory holds. Empty in a store that is open for writing,
 * where recovery writes such blocks to their places.
 */
#ifndef STORE_OVERLAY_H
#define STORE_OVERLAY_H

#include "base/block.h"
#include "base/memory.h"

struct overlay_block;

struct overlay {
    struct memory memory;
    struct overlay_block *buckets[1024];
};

int overlay_put(struct overlay *overlay, struct pblock at, const uint8_t *bytes);
/* NULL: the device has it. */
const uint8_t *overlay_find(const struct overlay *overlay, struct pblock at);
void overlay_clear(struct overlay *overlay);

#endif
