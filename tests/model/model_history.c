#include "model_history.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct step {
    struct model_state state;
    bool blocks; /* it differs from the one before in blocks only */
};

struct model_history {
    struct step *steps; /* the first is the oldest that may be found */
    size_t count, room;
    bool under_way; /* the last one is */
};

static struct step *push(struct model_history *history)
{
    if (history->count == history->room) {
        history->room = history->room * 2 + 16;
        history->steps = realloc(history->steps, history->room * sizeof(*history->steps));
        assert(history->steps != NULL);
    }
    return &history->steps[history->count++];
}

static void drop_before(struct model_history *history, size_t first)
{
    for (size_t i = 0; i < first; i++)
        model_state_drop(&history->steps[i].state);
    history->count -= first;
    memmove(history->steps, history->steps + first, history->count * sizeof(*history->steps));
}

static void drop_behind(struct model_history *history, size_t count)
{
    while (history->count > count)
        model_state_drop(&history->steps[--history->count].state);
}

struct model_history *model_history_new(void)
{
    struct model_history *history = calloc(1, sizeof(*history));

    assert(history != NULL);
    *push(history) = (struct step){.blocks = false};
    return history;
}

struct model_history *model_history_copy(const struct model_history *history)
{
    struct model_history *copy = calloc(1, sizeof(*copy));

    assert(copy != NULL);
    for (size_t i = 0; i < history->count; i++) {
        struct step *step = push(copy);

        model_state_copy(&history->steps[i].state, &step->state);
        step->blocks = history->steps[i].blocks;
    }
    copy->under_way = history->under_way;
    return copy;
}

void model_history_free(struct model_history *history)
{
    drop_before(history, history->count);
    free(history->steps);
    free(history);
}

struct model_state *model_now(struct model_history *history)
{
    return &history->steps[history->count - 1].state;
}

struct model_state *model_before(struct model_history *history)
{
    return &history->steps[history->count - 1 - history->under_way].state;
}

struct model_state *model_change(struct model_history *history, bool blocks)
{
    struct step *step = push(history);

    assert(!history->under_way);
    model_state_copy(&history->steps[history->count - 2].state, &step->state);
    step->blocks = blocks;
    history->under_way = true;
    return &step->state;
}

void model_answered(struct model_history *history, bool durable)
{
    assert(history->under_way);
    history->under_way = false;
    if (durable)
        model_flushed(history);
}

void model_refused(struct model_history *history)
{
    assert(history->under_way);
    history->under_way = false;
    model_state_drop(&history->steps[--history->count].state);
}

bool model_under_way(const struct model_history *history)
{
    return history->under_way;
}

void model_flushed(struct model_history *history)
{
    drop_before(history, history->count - (history->under_way ? 2 : 1));
}

/* The step at which `found` may be: that state, or some blocks of the next one. */
static bool is_at(const struct model_history *history, const struct model_state *found, size_t i)
{
    const struct step *step = &history->steps[i], *next = step + 1;

    if (model_state_is(found, &step->state, NULL, NULL, 0))
        return true;
    return i + 1 < history->count && next->blocks &&
           model_state_is(found, &step->state, &next->state, NULL, 0);
}

bool model_found(struct model_history *history, struct model_state *found, enum model_stop stop,
                 char *why, size_t size)
{
    size_t last = history->count - 1, answered = last - history->under_way;
    size_t first = stop == MODEL_KILLED ? answered : 0, i = last + 1;
    char difference[256];

    while (i > first && !is_at(history, found, i - 1))
        i--;
    if (i == first) {
        model_state_is(found, &history->steps[answered].state, NULL, difference,
                       sizeof(difference));
        snprintf(why, size,
                 "%zu states are legal and this is none of them; the last answered one differs: %s",
                 last + 1 - first, difference);
        return false;
    }
    /* What comes after it did not happen; what comes before it may come back, unless this one is
     * durable. */
    drop_behind(history, stop == MODEL_CUT ? 0 : i);
    if (stop == MODEL_CUT || !model_state_is(found, &history->steps[i - 1].state, NULL, NULL, 0))
        *push(history) = (struct step){.state = *found, .blocks = true};
    else
        model_state_drop(found);
    found->count = 0;
    history->under_way = false;
    return true;
}

uint64_t model_history_fingerprint(const struct model_history *history)
{
    uint64_t fingerprint = history->under_way;

    for (size_t i = 0; i < history->count; i++) {
        fingerprint = fingerprint_add(fingerprint, history->steps[i].blocks);
        fingerprint =
            fingerprint_add(fingerprint, model_state_fingerprint(&history->steps[i].state));
    }
    return fingerprint;
}
