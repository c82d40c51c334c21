/*
 * Where things lie in the extents file: pure arithmetic. FORMAT.md, "Layout", has the picture.
 *
 *   header (256 blocks: superblock copies at 0, 64, 128, 192)
 *   supergroup 0: two summary slots, then 252 groups
 *     group: two count slots, then 2016 blocks that can be allocated
 *   supergroup 1 ...
 */
#ifndef FORMAT_LAYOUT_H
#define FORMAT_LAYOUT_H

#include "base/block.h"

#define LAYOUT_HEADER_BLOCKS     ((uint64_t)256)
#define LAYOUT_SUPERBLOCK_COPIES 4
#define LAYOUT_SUPERBLOCK_STRIDE 64
#define LAYOUT_GROUP_BLOCKS      ((uint64_t)2016) /* that can be allocated */
#define LAYOUT_GROUP_STRIDE      (LAYOUT_GROUP_BLOCKS + 2)
#define LAYOUT_SUPERGROUP_GROUPS ((uint64_t)252)
#define LAYOUT_SUPERGROUP_STRIDE (2 + LAYOUT_SUPERGROUP_GROUPS * LAYOUT_GROUP_STRIDE)

static inline struct pblock layout_superblock(unsigned copy)
{
    return pblock_at((uint64_t)copy * LAYOUT_SUPERBLOCK_STRIDE);
}

static inline struct pblock layout_summary_slot(uint64_t supergroup, unsigned slot)
{
    return pblock_at(LAYOUT_HEADER_BLOCKS + supergroup * LAYOUT_SUPERGROUP_STRIDE + slot);
}

/* Where the count slots of a group lie; its allocatable blocks follow them. */
static inline struct pblock layout_count_slot(uint64_t group, unsigned slot)
{
    uint64_t supergroup = group / LAYOUT_SUPERGROUP_GROUPS;
    uint64_t in_supergroup = group % LAYOUT_SUPERGROUP_GROUPS;

    return pblock_at(layout_summary_slot(supergroup, 2).n + in_supergroup * LAYOUT_GROUP_STRIDE +
                     slot);
}

static inline struct pblock layout_group_first(uint64_t group)
{
    return layout_count_slot(group, 2);
}

/* Groups that have at least one allocatable block in a store of that many blocks. */
static inline uint64_t layout_groups(uint64_t total_blocks)
{
    if (total_blocks <= LAYOUT_HEADER_BLOCKS) {
        return 0;
    }
    uint64_t rest = total_blocks - LAYOUT_HEADER_BLOCKS;
    uint64_t supergroups = rest / LAYOUT_SUPERGROUP_STRIDE;
    uint64_t tail = rest % LAYOUT_SUPERGROUP_STRIDE;
    uint64_t groups = supergroups * LAYOUT_SUPERGROUP_GROUPS;

    if (tail > 4) {
        groups += (tail - 2 + LAYOUT_GROUP_STRIDE - 3) / LAYOUT_GROUP_STRIDE;
    }
    return groups;
}

/* Allocatable blocks of that group: LAYOUT_GROUP_BLOCKS but for the last. */
static inline uint64_t layout_group_size(uint64_t group, uint64_t total_blocks)
{
    uint64_t first = layout_group_first(group).n;

    return first >= total_blocks ? 0 : min_u64(LAYOUT_GROUP_BLOCKS, total_blocks - first);
}

/* The group and the index in it of an allocatable block; false for any other block. */
static inline bool layout_locate(struct pblock block, uint64_t total_blocks, uint64_t *ret_group,
                                 unsigned *ret_index)
{
    if (block.n < LAYOUT_HEADER_BLOCKS || block.n >= total_blocks) {
        return false;
    }
    uint64_t rest = block.n - LAYOUT_HEADER_BLOCKS;
    uint64_t supergroup = rest / LAYOUT_SUPERGROUP_STRIDE;
    uint64_t in_supergroup = rest % LAYOUT_SUPERGROUP_STRIDE;

    if (in_supergroup < 2) {
        return false;
    }
    uint64_t group = (in_supergroup - 2) / LAYOUT_GROUP_STRIDE;
    uint64_t in_group = (in_supergroup - 2) % LAYOUT_GROUP_STRIDE;

    if (in_group < 2) {
        return false;
    }
    *ret_group = supergroup * LAYOUT_SUPERGROUP_GROUPS + group;
    *ret_index = (unsigned)(in_group - 2);
    return true;
}

static inline uint64_t layout_supergroups(uint64_t groups)
{
    return (groups + LAYOUT_SUPERGROUP_GROUPS - 1) / LAYOUT_SUPERGROUP_GROUPS;
}

#endif
