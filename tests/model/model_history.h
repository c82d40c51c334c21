/*
 * The states that may be found after a stop: the state after each change since the last flush, and
 * the one that was under way. Legal are, DESIGN's promises 1 to 3:
 *
 *   after a power cut    the state after some prefix of the answered changes that holds all that
 * was flushed after a kill         the state after all answered changes
 *
 * and of the write that comes next in that order, or was under way, each block may be there or not.
 */
#ifndef MODEL_MODEL_HISTORY_H
#define MODEL_MODEL_HISTORY_H

#include "model_state.h"

struct model_history;

struct model_history *model_history_new(void); /* begins with a state without images, flushed */
/* With what is under way. */
struct model_history *model_history_copy(const struct model_history *history);
void model_history_free(struct model_history *history);

/* The state after all changes so far. */
struct model_state *model_now(struct model_history *history);

/* The state without the change under way. */
struct model_state *model_before(struct model_history *history);

/* Begins a change: returns a copy of the present state, to be changed. `blocks`: it changes single
 * blocks (write, zero), not the table of images. Until it is answered it is under way. */
struct model_state *model_change(struct model_history *history, bool blocks);
/* It took effect; with `durable` it and all before it survive a power cut. */
void model_answered(struct model_history *history, bool durable);
/* It had no effect and will never have. */
void model_refused(struct model_history *history);
bool model_under_way(const struct model_history *history);

/* All that was answered survives a power cut. */
void model_flushed(struct model_history *history);

/* What happened before a store was opened again. */
enum model_stop {
    MODEL_KILLED, /* the process: all that was answered is there */
    MODEL_FAILED, /* the store refused to go on after an error: a prefix is there, and none of it
                     more durable than before */
    MODEL_CUT,    /* the power: a prefix is there, and stays */
};

/* Is it legal to find that state now? If so the history goes on from it (`found` is taken over),
 * and true is returned. If not, `why` says how it differs from the newest state, and with how many
 * others it was compared. */
bool model_found(struct model_history *history, struct model_state *found, enum model_stop stop,
                 char *why, size_t size);

/* The same number for the same legal states in the same order. */
uint64_t model_history_fingerprint(const struct model_history *history);

#endif
