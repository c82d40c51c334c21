/*
 * The allocator: next fit by groups. Groups that are at least half free come first, then groups
 * that were never used (the file grows), then whatever is left, so that runs stay long and a store
 * does not grow while it has roomy groups.
 */
#include <assert.h>
#include <errno.h>
#include <varve/error.h>

#include "space/space_internal.h"

static uint64_t groups_in_use(const struct space *space)
{
    return min_u64(space->supergroups * LAYOUT_SUPERGROUP_GROUPS, space->group_count);
}

/* Finds the next group from the cursor on, once around, with at least that many free blocks. */
static bool next_group(const struct space *space, uint64_t at_least, uint64_t *ret_group)
{
    uint64_t groups = groups_in_use(space);

    for (uint64_t i = 0; i < groups; i++) {
        uint64_t g = space->cursor + i;

        g = g >= groups ? g - groups : g;
        if (space->states[g].free >= at_least) {
            *ret_group = g;
            return true;
        }
    }
    return false;
}

/* The group to take from. The current one is used until it is full: it was chosen when it was
 * roomy. */
static int choose_group(struct space *space, uint64_t *ret_group)
{
    uint64_t groups = groups_in_use(space);

    if (space->cursor >= groups) {
        space->cursor = 0;
    }
    if (groups > 0 && space->states[space->cursor].free > 0 &&
        space->states[space->cursor].resident != NULL) {
        *ret_group = space->cursor;
        return 0;
    }
    if (space->roomy > 0 && next_group(space, LAYOUT_GROUP_BLOCKS / 2, ret_group)) {
        return 0;
    }
    if (groups < space->group_count) {
        *ret_group = groups;
        return space_grow(space, space->supergroups + 1);
    }
    if (next_group(space, LAYOUT_GROUP_BLOCKS / 16, ret_group) || next_group(space, 1, ret_group)) {
        return 0;
    }
    return varve_fail(ENOSPC, "the store is full");
}

static unsigned run_length(const uint64_t *words, unsigned from, unsigned most)
{
    unsigned n = 0;

    while (n < most && !bit_get(words, from + n)) {
        n++;
    }
    return n;
}

/* The first clear bit from `from` on, or LAYOUT_GROUP_BLOCKS. */
static unsigned next_clear(const uint64_t *words, unsigned from)
{
    while (from < LAYOUT_GROUP_BLOCKS) {
        uint64_t clear = ~words[from / 64] >> (from % 64);

        if (clear != 0) {
            from += (unsigned)__builtin_ctzll(clear);
            break;
        }
        from = (from / 64 + 1) * 64;
    }
    return from < LAYOUT_GROUP_BLOCKS ? from : (unsigned)LAYOUT_GROUP_BLOCKS;
}

/* The first run of `want` free blocks, or else the longest there is. */
static unsigned find_run(struct space_group *group, unsigned want, unsigned *ret_first)
{
    unsigned best = 0;
    unsigned i = next_clear(group->in_use, group->hint);

    group->hint = (uint16_t)i;
    while (i < LAYOUT_GROUP_BLOCKS && best < want) {
        unsigned most = (unsigned)LAYOUT_GROUP_BLOCKS - i;
        unsigned n = run_length(group->in_use, i, want < most ? want : most);

        if (n > best) {
            best = n;
            *ret_first = i;
        }
        i = next_clear(group->in_use, i + n);
    }
    return best;
}

int space_take(struct space *space, uint64_t want, uint64_t keep, struct pblock *ret_first,
               uint64_t *ret_count, uint64_t *ret_group)
{
    assert(want > 0);
    if (space->totals.free <= keep) {
        return varve_fail(ENOSPC, "the store is full");
    }
    want = min_u64(want, space->totals.free - keep);
    int r = choose_group(space, ret_group);
    if (r < 0) {
        return r;
    }
    space->cursor = *ret_group;
    struct space_group *group = space->states[*ret_group].resident;
    if (group == NULL) {
        return SPACE_NEED;
    }
    unsigned first = 0;
    unsigned count = find_run(group, (unsigned)min_u64(want, LAYOUT_GROUP_BLOCKS), &first);
    assert(count > 0);
    for (unsigned i = first; i < first + count; i++) {
        space_mark_in_use(space, group, i);
    }
    space_touch(space, group);
    *ret_first = pblock_at(layout_group_first(group->number).n + first);
    *ret_count = count;
    return 0;
}

void space_untake(struct space *space, struct pblock first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        unsigned index;
        struct space_group *group = space_find(space, pblock_at(first.n + i), &index);

        assert(group != NULL);
        space->totals.taken--;
        space_mark_free(space, group, index);
    }
}

bool space_is_backed(const struct space *space, struct pblock block)
{
    unsigned index;
    const struct space_group *group = space_find(space, block, &index);

    return group != NULL && group->backed;
}

void space_set_backed(struct space *space, struct pblock block)
{
    unsigned index;
    struct space_group *group = space_find(space, block, &index);

    if (group != NULL && !group->backed) {
        group->backed = true;
        space->totals.backed += space->states[group->number].free;
    }
}

void space_forget_backed(struct space *space, struct space_group *group)
{
    if (group->backed) {
        group->backed = false;
        space->totals.backed -= space->states[group->number].free;
    }
}

bool space_next_unbacked(const struct space *space, uint64_t at_least, uint64_t *ret_group)
{
    uint64_t groups = groups_in_use(space);

    for (uint64_t i = 1; i < groups; i++) {
        uint64_t g = (space->cursor + i) % groups;
        const struct group_state *state = &space->states[g];

        if (state->free >= at_least && (state->resident == NULL || !state->resident->backed)) {
            *ret_group = g;
            return true;
        }
    }
    *ret_group = groups;
    return groups < space->group_count;
}

int space_take_from(struct space *space, uint64_t number, unsigned *from, uint64_t want,
                    uint64_t keep, struct pblock *ret_first, uint64_t *ret_count)
{
    if (number >= groups_in_use(space) || space->states[number].free == 0) {
        return -ENOENT;
    }
    if (space->totals.free <= keep) {
        return varve_fail(ENOSPC, "the store is full");
    }
    struct space_group *group = space->states[number].resident;
    if (group == NULL) {
        return SPACE_NEED;
    }
    unsigned first = next_clear(group->in_use, *from);
    if (first >= LAYOUT_GROUP_BLOCKS) {
        return -ENOENT;
    }
    uint64_t most = min_u64(min_u64(want, space->totals.free - keep), LAYOUT_GROUP_BLOCKS - first);
    unsigned count = run_length(group->in_use, first, (unsigned)most);
    for (unsigned i = first; i < first + count; i++) {
        space_mark_in_use(space, group, i);
    }
    *from = first + count;
    *ret_first = pblock_at(layout_group_first(number).n + first);
    *ret_count = count;
    return 0;
}

uint64_t space_discards(const struct space *space)
{
    return space->discards;
}

void space_skip(struct space *space)
{
    space->cursor++;
}

static bool discardable(const struct space_group *group, unsigned index)
{
    return !bit_get(group->in_use, index) && !bit_get(group->discarded, index);
}

/* Looks at a bounded number of groups for each call. */
bool space_take_discardable(struct space *space, uint64_t min, uint64_t keep_backed,
                            struct pblock *ret_first, uint64_t *ret_count)
{
    uint64_t groups = groups_in_use(space);

    for (unsigned tries = 0; tries < 1024 && space->discard_cursor < groups;
         tries++, space->discard_cursor++) {
        struct space_group *group = space->states[space->discard_cursor].resident;

        if (space->discard_cursor == space->cursor ||
            (group != NULL && group->backed &&
             space->totals.backed < keep_backed + space->states[group->number].free)) {
            continue; /* what is free there is taken next, or has to be there when all is full below
                       */
        }
        for (unsigned i = 0; group != NULL && i < LAYOUT_GROUP_BLOCKS; i++) {
            unsigned n = 0;

            while (i + n < LAYOUT_GROUP_BLOCKS && discardable(group, i + n)) {
                n++;
            }
            if (n >= min) {
                for (unsigned k = i; k < i + n; k++) {
                    space_mark_in_use(space, group, k);
                }
                *ret_first = pblock_at(layout_group_first(group->number).n + i);
                *ret_count = n;
                space->discards++;
                return true;
            }
            i += n;
        }
    }
    return false;
}

void space_discarded(struct space *space, struct pblock first, uint64_t count, bool done)
{
    space_untake(space, first, count);
    space->discards++;
    for (uint64_t i = 0; done && i < count; i++) {
        unsigned index;
        struct space_group *group = space_find(space, pblock_at(first.n + i), &index);

        bit_set(group->discarded, index);
        space_forget_backed(space, group);
    }
}
