/* Freezing the counts for a checkpoint, and freeing what was held when it is durable. */
#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "space/space_internal.h"

void space_freeze(struct space *space)
{
    assert(space->frozen == NULL && space->held_lists[1 - space->phase] == NULL);
    for (struct space_group *g = space->dirty; g != NULL; g = g->dirty_next) {
        g->frozen = true;
        g->dirty = false;
        space->supers[g->number / LAYOUT_SUPERGROUP_GROUPS].dirty = true;
    }
    space->frozen = space->dirty;
    space->dirty = NULL;
    space->dirty_groups = 0;
    space->phase = 1 - space->phase;
    space->summary_cursor = 0;
}

bool space_next_frozen(struct space *space, uint64_t *ret_group, unsigned *ret_slot,
                       const uint16_t **ret_counts)
{
    struct space_group *g = space->frozen;

    if (g == NULL) {
        return false;
    }
    const struct group_summary *disk = &space->states[g->number].disk;
    *ret_group = g->number;
    *ret_slot = disk->written ? 1u - disk->slot : 0;
    *ret_counts = g->frozen_counts != NULL ? g->frozen_counts : g->counts;
    return true;
}

void space_group_encoded(struct space *space, uint64_t number, uint32_t crc)
{
    struct space_group *g = space->frozen;
    struct group_summary *disk = &space->states[number].disk;

    assert(g != NULL && g->number == number);
    const uint16_t *counts = g->frozen_counts != NULL ? g->frozen_counts : g->counts;
    uint16_t used = 0;
    for (unsigned i = 0; i < LAYOUT_GROUP_BLOCKS; i++) {
        used = (uint16_t)(used + (counts[i] > 0));
    }
    disk->slot = disk->written ? (uint8_t)(1 - disk->slot) : 0;
    disk->written = true;
    disk->crc = crc;
    disk->used = used;
    memory_give(&space->memory, g->frozen_counts, sizeof g->counts);
    g->frozen_counts = NULL;
    g->frozen = false;
    space->frozen = g->dirty_next;
    g->dirty_next = NULL;
    if (g->dirty) {
        g->dirty_next = space->dirty;
        space->dirty = g;
    }
}

bool space_next_summary(struct space *space, uint64_t checkpoint, struct summary_page *ret_page,
                        unsigned *ret_slot)
{
    assert(space->frozen == NULL);
    while (space->summary_cursor < space->supergroups &&
           !space->supers[space->summary_cursor].dirty) {
        space->summary_cursor++;
    }
    uint64_t supergroup = space->summary_cursor;
    if (supergroup == space->supergroups) {
        return false;
    }
    ret_page->supergroup = supergroup;
    ret_page->checkpoint = checkpoint;
    for (unsigned i = 0; i < LAYOUT_SUPERGROUP_GROUPS; i++) {
        ret_page->groups[i] = space->states[supergroup * LAYOUT_SUPERGROUP_GROUPS + i].disk;
    }
    *ret_slot = 1u - space->supers[supergroup].slot;
    return true;
}

void space_summary_encoded(struct space *space, uint64_t supergroup, uint32_t crc)
{
    struct supergroup_state *state = &space->supers[supergroup];

    state->slot = (uint8_t)(1 - state->slot);
    state->crc = crc;
    state->dirty = false;
}

void space_summary_on_disk(const struct space *space, uint64_t supergroup, unsigned *ret_slot,
                           uint32_t *ret_crc)
{
    *ret_slot = space->supers[supergroup].slot;
    *ret_crc = space->supers[supergroup].crc;
}

uint32_t space_summary_crc(const struct space *space)
{
    uint32_t crc = 0;

    for (uint64_t i = 0; i < space->supergroups; i++) {
        uint8_t bytes[4];

        le32_store(bytes, space->supers[i].crc);
        crc = crc32c(crc, bytes, sizeof bytes);
    }
    return crc;
}

void space_hold_longer(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = space_find(space, block, &index);
    unsigned ending = 1 - space->phase;

    if (group != NULL && bit_get(group->held[ending], index)) {
        bit_clear(group->held[ending], index);
        space->totals.held--;
        space_hold(space, group, index);
    }
}

void space_hold_all_longer(struct space *space)
{
    unsigned ending = 1 - space->phase;

    for (struct space_group *g = space->held_lists[ending]; g != NULL; g = g->held_next[ending]) {
        for (unsigned word = 0; word < GROUP_WORDS; word++) {
            while (g->held[ending][word] != 0) {
                unsigned index = word * 64 + (unsigned)__builtin_ctzll(g->held[ending][word]);

                bit_clear(g->held[ending], index);
                space->totals.held--;
                space_hold(space, g, index);
            }
        }
    }
}

void space_thaw(struct space *space)
{
    unsigned ending = 1 - space->phase;

    for (struct space_group *g = space->held_lists[ending]; g != NULL;) {
        struct space_group *next = g->held_next[ending];

        for (unsigned word = 0; word < GROUP_WORDS; word++) {
            while (g->held[ending][word] != 0) {
                unsigned index = word * 64 + (unsigned)__builtin_ctzll(g->held[ending][word]);

                bit_clear(g->held[ending], index);
                space->totals.held--;
                space_mark_free(space, g, index);
            }
        }
        g->on_held[ending] = false;
        g->held_next[ending] = NULL;
        if (space->discard_cursor > g->number) {
            space->discard_cursor = g->number;
        }
        g = next;
    }
    space->held_lists[ending] = NULL;
}
