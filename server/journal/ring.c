#include "journal/ring.h"

#include <assert.h>

/* start == next means empty: a batch never fills the ring up to its start. */
bool ring_place(const struct ring *ring, uint64_t blocks, uint64_t *ret_at)
{
    if (ring->next >= ring->start) {
        uint64_t to_end = ring->blocks - ring->next;

        if (blocks < to_end || (blocks == to_end && ring->start > 0)) {
            *ret_at = ring->next;
            return true;
        }
        *ret_at = 0;
        return blocks < ring->start;
    }
    *ret_at = ring->next;
    return blocks < ring->start - ring->next;
}

void ring_advance(struct ring *ring, uint64_t at, uint64_t blocks)
{
    assert(at + blocks <= ring->blocks);
    ring->next = (at + blocks) % ring->blocks;
    ring->seq++;
}

void ring_release(struct ring *ring, uint64_t start)
{
    ring->start = start;
}

uint64_t ring_used(const struct ring *ring)
{
    return (ring->next + ring->blocks - ring->start) % ring->blocks;
}
