/*
 * The journal's ring: which blocks of it are needed, and where the next batch goes. Arithmetic
 * only. A batch lies in one piece; one that does not fit before the end of the ring goes to its
 * beginning.
 */
#ifndef JOURNAL_RING_H
#define JOURNAL_RING_H

#include "base/block.h"

struct ring {
    uint64_t blocks;
    uint64_t start; /* block of the oldest batch that a recovery needs */
    uint64_t next;  /* where the next batch goes if it fits there */
    uint64_t seq;   /* its number */
};

/* Where a batch of that many blocks goes; false when the ring has no room now. */
bool ring_place(const struct ring *ring, uint64_t blocks, uint64_t *ret_at);

/* The batch was placed at `at`. */
void ring_advance(struct ring *ring, uint64_t at, uint64_t blocks);

/* Nothing before `start` is needed any more. */
void ring_release(struct ring *ring, uint64_t start);

/* Blocks between start and next. */
uint64_t ring_used(const struct ring *ring);

#endif
