/*
 * What volume_histories does with volumes and snapshots: names only, or names, sizes and content.
 */
#ifndef MODEL_VOLUME_VERBS_H
#define MODEL_VOLUME_VERBS_H

#include <stdbool.h>
#include <stddef.h>

#include "chance.h"
#include "model_state.h"

struct varve;

/* What a verb that succeeded says about those before it, and what a cut inside it may leave. */
enum verb_order {
    VERB_STORE, /* it goes after them in the order of the store: what it left is there only with all
                   of them, and once it is answered they are durable */
    VERB_NAMES, /* of the catalog alone: content that was not flushed may be lost all the same */
    VERB_LOOSE, /* a write that was not flushed */
    VERB_SAVES, /* like VERB_STORE, in two steps: a snapshot may be there of what was before */
};

struct volume_play {
    struct varve *varve;
    struct model_state *model; /* NULL, or what succeeds is done to it too, so that it is what the
                                  volumes and snapshots hold, by the numbers of their images */
    bool without_loose;        /* the write that is not flushed is left out */
    bool loose;                /* there was one: there is one at most */
};

/* One verb that chance decides, on names that it decides. 0 or -errno. */
int volume_name_verb(struct varve *varve, struct chance *chance);

/* Step number `step` of a history that resizes, rolls back, takes snapshots, clones and writes; it
 * begins with a volume that holds something. 0 or -errno. */
int volume_content_verb(struct volume_play *play, unsigned step, struct chance *chance,
                        enum verb_order *ret_order);

/* Appends what users see: "NAME SIZE ...; " for each volume, then '|', then the same for each
 * snapshot, with a number for what it holds. The volume that is called "data" has none. Snapshots
 * that a rollback saved are called "saved": their names are times. 0 or -errno. */
int volumes_see(struct varve *varve, char *text, size_t size);

/* The same number for the same content of an image. 0 or -errno. */
int image_fingerprint(struct varve *varve, uint64_t number, uint64_t size, uint64_t *ret_number);

/* Compares all images of the model with the store, byte by byte, and what is told of their usage.
 * The model keeps zeroes. 0, or -errno with a line. */
int volumes_compare(struct volume_play *play);

#endif
