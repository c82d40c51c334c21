/*
 * The insides of space.h, for the files of this folder.
 *
 * Invariants (space_assert_group checks 1 to 3):
 *   1. in_use bit = (count > 0) or taken or held
 *   2. held[0] and held[1] are disjoint, and held implies count 0
 *   3. unsettled = number of blocks taken or held; a group with any stays in memory
 *   4. state.free = allocatable blocks of the group whose in_use bit is clear, for all groups, in
 * memory or not
 */
#ifndef SPACE_SPACE_INTERNAL_H
#define SPACE_SPACE_INTERNAL_H

#include "space/space.h"

enum { GROUP_WORDS = (LAYOUT_GROUP_BLOCKS + 63) / 64 };

struct space_group {
    uint64_t number;
    uint64_t in_use[GROUP_WORDS];
    uint64_t held[2][GROUP_WORDS];   /* by phase */
    uint64_t discarded[GROUP_WORDS]; /* free and handed back below, as far as this process knows */
    uint16_t unsettled;
    uint16_t hint; /* no free block before this index */
    bool dirty;    /* counts differ from the disk, since the last freeze */
    bool frozen;   /* the running checkpoint has to write it */
    bool backed;   /* all of it has space below */
    bool on_held[2];
    uint16_t *frozen_counts;        /* copy made before the first change after a freeze, or NULL */
    struct space_group *dirty_next; /* list of dirty, or of frozen groups */
    struct space_group *held_next[2];  /* lists of groups with held blocks, by phase */
    struct space_group *older, *newer; /* in order of use */
    uint16_t counts[LAYOUT_GROUP_BLOCKS];
};

struct group_state {
    struct space_group *resident;
    struct group_summary disk;
    uint16_t free;
};

struct supergroup_state {
    uint32_t crc;
    uint8_t slot;
    bool dirty;
};

struct space {
    struct memory memory;
    uint64_t total_blocks, group_count;
    uint64_t supergroups;       /* in use */
    uint64_t supergroups_room;  /* of the two arrays */
    struct group_state *states; /* for supergroups_room * LAYOUT_SUPERGROUP_GROUPS */
    struct supergroup_state *supers;
    uint64_t groups_max, groups_resident;
    struct space_group *newest, *oldest;
    struct space_group *dirty, *frozen;
    struct space_group *held_lists[2];
    unsigned phase; /* index of held[] into which blocks fall now */
    uint64_t cursor, discard_cursor, summary_cursor;
    uint64_t roomy; /* groups in use that are at least half free */
    uint64_t dirty_groups;
    uint64_t discards; /* hand-backs begun and ended */
    struct space_totals totals;
    struct pblock wrong; /* 0: none */
};

/* The group of an allocatable block, in memory or NULL. */
struct space_group *space_find(const struct space *space, struct pblock block, unsigned *ret_index);

/* Sees to it that the two arrays hold that many supergroups. -ENOMEM. */
int space_grow(struct space *space, uint64_t supergroups);

void space_forget_backed(struct space *space, struct space_group *group);
void space_touch(struct space *space, struct space_group *group);
void space_set_free(struct space *space, uint64_t group, uint64_t free);
void space_mark_in_use(struct space *space, struct space_group *group, unsigned index);
void space_mark_free(struct space *space, struct space_group *group, unsigned index);
void space_hold(struct space *space, struct space_group *group, unsigned index);
void space_assert_group(const struct space *space, const struct space_group *group);

static inline bool bit_get(const uint64_t *words, unsigned index)
{
    return (words[index / 64] >> (index % 64)) & 1;
}

static inline void bit_set(uint64_t *words, unsigned index)
{
    words[index / 64] |= (uint64_t)1 << (index % 64);
}

static inline void bit_clear(uint64_t *words, unsigned index)
{
    words[index / 64] &= ~((uint64_t)1 << (index % 64));
}

#endif
