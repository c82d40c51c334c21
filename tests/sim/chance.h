/*
 * Chance from a seed: one seed is one history. Not for secrets.
 */
#ifndef SIM_CHANCE_H
#define SIM_CHANCE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

/* splitmix64: any seed is good, also 0 and neighbours */
static inline uint64_t chance_draw(struct chance *chance)
{
    uint64_t z = (chance->state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 … limit - 1; limit is at least 1 */
static inline uint64_t chance_below(struct chance *chance, uint64_t limit)
{
    assert(limit > 0);
    return chance_draw(chance) % limit;
}

/* True in `of` draws out of `out_of`. */
static inline bool chance_hit(struct chance *chance, uint64_t of, uint64_t out_of)
{
    return chance_below(chance, out_of) < of;
}

#endif
