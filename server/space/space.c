/* Groups in memory: loading, finding, evicting. */
#include "space/space_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "format/count_page.h"

static uint64_t group_size(const struct space *space, uint64_t group)
{
    return layout_group_size(group, space->total_blocks);
}

struct space *space_new(const struct space_setup *setup)
{
    struct space *space = memory_take(&setup->memory, sizeof *space);

    if (space == NULL) {
        return NULL;
    }
    space->memory = setup->memory;
    space->total_blocks = setup->total_blocks;
    space->group_count = layout_groups(setup->total_blocks);
    space->groups_max = max_u64(setup->groups_max, SPACE_GROUPS_MIN);
    for (uint64_t g = 0; g < space->group_count;) {
        /* all groups but the last are whole */
        uint64_t size = group_size(space, g);
        uint64_t same = size == LAYOUT_GROUP_BLOCKS ? max_u64(space->group_count - 1 - g, 1) : 1;
        space->totals.total += size * same;
        g += same;
    }
    space->totals.free = space->totals.total;
    if (space_grow(space, setup->supergroups) != 0) {
        space_free(space);
        return NULL;
    }
    return space;
}

static void release_group(struct space *space, struct space_group *group)
{
    memory_give(&space->memory, group->frozen_counts, sizeof group->counts);
    memory_give(&space->memory, group, sizeof *group);
}

void space_free(struct space *space)
{
    if (space == NULL) {
        return;
    }
    for (struct space_group *g = space->newest; g != NULL;) {
        struct space_group *older = g->older;
        release_group(space, g);
        g = older;
    }
    uint64_t room = space->supergroups_room;
    memory_give(&space->memory, space->states,
                room * LAYOUT_SUPERGROUP_GROUPS * sizeof *space->states);
    memory_give(&space->memory, space->supers, room * sizeof *space->supers);
    memory_give(&space->memory, space, sizeof *space);
}

int space_grow(struct space *space, uint64_t supergroups)
{
    if (supergroups > space->supergroups_room) {
        uint64_t old = space->supergroups_room;
        uint64_t room = max_u64(supergroups, old + old / 2 + 8);
        size_t per = LAYOUT_SUPERGROUP_GROUPS * sizeof *space->states;
        struct group_state *states = memory_take(&space->memory, room * per);
        struct supergroup_state *supers = memory_take(&space->memory, room * sizeof *space->supers);

        if (states == NULL || supers == NULL) {
            memory_give(&space->memory, states, room * per);
            memory_give(&space->memory, supers, room * sizeof *supers);
            return -ENOMEM;
        }
        if (old > 0) {
            memcpy(states, space->states, old * per);
            memcpy(supers, space->supers, old * sizeof *supers);
        }
        memory_give(&space->memory, space->states, old * per);
        memory_give(&space->memory, space->supers, old * sizeof *supers);
        space->states = states;
        space->supers = supers;
        space->supergroups_room = room;
    }
    for (; space->supergroups < supergroups; space->supergroups++) {
        uint64_t first = space->supergroups * LAYOUT_SUPERGROUP_GROUPS;

        space->supers[space->supergroups].dirty = true;
        for (uint64_t g = first; g < first + LAYOUT_SUPERGROUP_GROUPS; g++) {
            space->states[g].free = (uint16_t)group_size(space, g);
            space->roomy += space->states[g].free >= LAYOUT_GROUP_BLOCKS / 2;
        }
    }
    return 0;
}

void space_set_free(struct space *space, uint64_t group, uint64_t free)
{
    struct group_state *state = &space->states[group];

    space->roomy -= state->free >= LAYOUT_GROUP_BLOCKS / 2;
    space->roomy += free >= LAYOUT_GROUP_BLOCKS / 2;
    space->totals.free = space->totals.free - state->free + free;
    if (state->resident != NULL && state->resident->backed) {
        space->totals.backed = space->totals.backed - state->free + free;
    }
    state->free = (uint16_t)free;
}

void space_set_summary(struct space *space, const struct summary_page *page, unsigned slot,
                       uint32_t crc)
{
    assert(page->supergroup < space->supergroups);
    uint64_t first = page->supergroup * LAYOUT_SUPERGROUP_GROUPS;

    space->supers[page->supergroup] = (struct supergroup_state){.crc = crc, .slot = (uint8_t)slot};
    for (uint64_t i = 0; i < LAYOUT_SUPERGROUP_GROUPS; i++) {
        uint64_t size = group_size(space, first + i);
        uint64_t used = min_u64(page->groups[i].used, size);

        space->states[first + i].disk = page->groups[i];
        space->totals.used += used;
        space_set_free(space, first + i, size - used);
    }
}

void space_rewrite_summary(struct space *space, uint64_t supergroup)
{
    space->supers[supergroup].dirty = true;
}

struct group_summary space_group_on_disk(const struct space *space, uint64_t group)
{
    if (group >= space->supergroups * LAYOUT_SUPERGROUP_GROUPS) {
        return (struct group_summary){0};
    }
    return space->states[group].disk;
}

static void unlink_group(struct space *space, struct space_group *group)
{
    *(group->newer != NULL ? &group->newer->older : &space->newest) = group->older;
    *(group->older != NULL ? &group->older->newer : &space->oldest) = group->newer;
    group->newer = group->older = NULL;
}

static void link_newest(struct space *space, struct space_group *group)
{
    group->older = space->newest;
    *(space->newest != NULL ? &space->newest->newer : &space->oldest) = group;
    space->newest = group;
}

/* Frees the least recently used groups that nothing pins. The search is bounded: when the oldest
 * are all pinned, the cache grows for a while. */
static void evict(struct space *space)
{
    struct space_group *g = space->oldest;

    for (unsigned tries = 0; g != NULL && tries < 64 && space->groups_resident >= space->groups_max;
         tries++) {
        struct space_group *newer = g->newer;

        if (!g->dirty && !g->frozen && g->unsettled == 0) {
            unlink_group(space, g);
            space_forget_backed(space, g);
            space->states[g->number].resident = NULL;
            release_group(space, g);
            space->groups_resident--;
        } else {
            unlink_group(space, g);
            link_newest(space, g);
        }
        g = newer;
    }
}

static uint64_t count_used(const uint16_t *counts, uint64_t size)
{
    uint64_t used = 0;

    for (uint64_t i = 0; i < size; i++) {
        used += counts[i] > 0;
    }
    return used;
}

int space_load(struct space *space, uint64_t number, const uint16_t *counts)
{
    int r = number < space->supergroups * LAYOUT_SUPERGROUP_GROUPS
                ? 0
                : space_grow(space, number / LAYOUT_SUPERGROUP_GROUPS + 1);

    if (r < 0 || space->states[number].resident != NULL) {
        return r;
    }
    uint64_t size = group_size(space, number);
    uint64_t used = count_used(counts, size);
    if (size - used != space->states[number].free) {
        return varve_fail(EIO, "the counts of group %llu do not fit its summary",
                          (unsigned long long)number);
    }
    evict(space);
    struct space_group *group = memory_take(&space->memory, sizeof *group);
    if (group == NULL) {
        return varve_no_memory("the counts of a group");
    }
    group->number = number;
    memcpy(group->counts, counts, sizeof group->counts);
    for (unsigned i = 0; i < GROUP_WORDS * 64; i++) {
        if (i >= size || counts[i] > 0) {
            bit_set(group->in_use, i);
        }
    }
    space->states[number].resident = group;
    space->groups_resident++;
    link_newest(space, group);
    return 0;
}

struct space_group *space_find(const struct space *space, struct pblock block, unsigned *ret_index)
{
    uint64_t number;

    if (!layout_locate(block, space->total_blocks, &number, ret_index) ||
        number >= space->supergroups * LAYOUT_SUPERGROUP_GROUPS) {
        return NULL;
    }
    return space->states[number].resident;
}

int space_ready(struct space *space, struct pblock block, uint64_t *ret_group)
{
    uint64_t number;
    unsigned index;

    if (!layout_locate(block, space->total_blocks, &number, &index)) {
        return varve_fail(EINVAL, "block %llu is not one that is ever allocated",
                          (unsigned long long)block.n);
    }
    struct space_group *group = space_find(space, block, &index);
    if (group == NULL) {
        *ret_group = number;
        return SPACE_NEED;
    }
    if (group->frozen && group->frozen_counts == NULL) {
        /* the checkpoint still has to write the counts that a change would destroy */
        group->frozen_counts = memory_take(&space->memory, sizeof group->counts);
        if (group->frozen_counts == NULL) {
            return varve_no_memory("a copy of the counts of a group");
        }
        memcpy(group->frozen_counts, group->counts, sizeof group->counts);
    }
    space_touch(space, group);
    return 0;
}

bool space_is_resident(const struct space *space, struct pblock block)
{
    unsigned index;

    return space_find(space, block, &index) != NULL;
}

void space_touch(struct space *space, struct space_group *group)
{
    if (space->newest != group) {
        unlink_group(space, group);
        link_newest(space, group);
    }
}

struct space_totals space_totals(const struct space *space)
{
    struct space_totals totals = space->totals;

    totals.dirty_groups = space->dirty_groups;
    totals.resident_groups = space->groups_resident;
    return totals;
}

uint64_t space_supergroups(const struct space *space)
{
    return space->supergroups;
}

void space_assert_group(const struct space *space, const struct space_group *group)
{
    unsigned unsettled = 0;
    uint64_t free = 0;

    for (unsigned i = 0; i < group_size(space, group->number); i++) {
        bool held = bit_get(group->held[0], i) || bit_get(group->held[1], i);
        bool in_use = bit_get(group->in_use, i);

        assert(!(bit_get(group->held[0], i) && bit_get(group->held[1], i)));
        assert(!held || group->counts[i] == 0);
        assert(in_use || (group->counts[i] == 0 && !held));
        unsettled += in_use && group->counts[i] == 0;
        free += !in_use;
    }
    assert(unsettled == group->unsettled);
    assert(free == space->states[group->number].free);
}
