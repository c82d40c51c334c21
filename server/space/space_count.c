/* Counting up and down, and the states of a block. */
#include <assert.h>

#include "format/count_page.h"
#include "space/space_internal.h"

static void mark_dirty(struct space *space, struct space_group *group)
{
    /* space_ready made the copy that the checkpoint needs */
    assert(!group->frozen || group->frozen_counts != NULL);
    if (!group->dirty) {
        group->dirty = true;
        space->dirty_groups++;
        if (!group->frozen) {
            group->dirty_next = space->dirty;
            space->dirty = group;
        }
        /* a frozen group is on the frozen list and moves over when that is written */
    }
}

void space_mark_in_use(struct space *space, struct space_group *group, unsigned index)
{
    assert(!bit_get(group->in_use, index));
    bit_set(group->in_use, index);
    bit_clear(group->discarded, index);
    group->unsettled++;
    space->totals.taken++;
    space_set_free(space, group->number, space->states[group->number].free - 1u);
}

void space_mark_free(struct space *space, struct space_group *group, unsigned index)
{
    assert(bit_get(group->in_use, index) && group->counts[index] == 0);
    bit_clear(group->in_use, index);
    group->unsettled--;
    if (index < group->hint) {
        group->hint = (uint16_t)index;
    }
    space_set_free(space, group->number, space->states[group->number].free + 1u);
}

void space_hold(struct space *space, struct space_group *group, unsigned index)
{
    unsigned phase = space->phase;

    bit_set(group->held[phase], index);
    space->totals.held++;
    if (!group->on_held[phase]) {
        group->on_held[phase] = true;
        group->held_next[phase] = space->held_lists[phase];
        space->held_lists[phase] = group;
    }
}

static struct space_group *must_find(const struct space *space, struct pblock block,
                                     unsigned *ret_index)
{
    struct space_group *group = space_find(space, block, ret_index);

    assert(group != NULL);
    return group;
}

uint16_t space_count(const struct space *space, struct pblock block)
{
    unsigned index;

    return must_find(space, block, &index)->counts[index];
}

bool space_is_wrong(const struct space *space, struct pblock *ret_block)
{
    *ret_block = space->wrong;
    return space->wrong.n != 0; /* block 0 is a superblock */
}

void space_up(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = must_find(space, block, &index);

    if (group->counts[index] == 0 || group->counts[index] == COUNT_MAX) {
        space->wrong = block;
        return;
    }
    mark_dirty(space, group);
    group->counts[index]++;
}

void space_down(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = must_find(space, block, &index);

    if (group->counts[index] == 0) {
        space->wrong = block;
        return;
    }
    mark_dirty(space, group);
    group->counts[index]--;
    if (group->counts[index] == 0) {
        space->totals.used--;
        group->unsettled++;
        space_hold(space, group, index);
    }
}

void space_claim(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = must_find(space, block, &index);

    assert(group->counts[index] == 0 && bit_get(group->in_use, index));
    assert(!bit_get(group->held[0], index) && !bit_get(group->held[1], index));
    mark_dirty(space, group);
    group->counts[index] = 1;
    group->unsettled--;
    space->totals.taken--;
    space->totals.used++;
}

void space_abandon(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = must_find(space, block, &index);

    assert(group->counts[index] == 0 && bit_get(group->in_use, index));
    space->totals.taken--;
    space_hold(space, group, index);
}

bool space_take_exactly(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = must_find(space, block, &index);

    if (bit_get(group->in_use, index)) {
        return false;
    }
    space_mark_in_use(space, group, index);
    return true;
}
