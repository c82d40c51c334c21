/*
 * Operations by chance: what the random histories consist of.
 */
#ifndef MODEL_PLAY_RANDOM_H
#define MODEL_PLAY_RANDOM_H

#include "play.h"

/* Bytes for an image. */
uint64_t play_random_size(struct chance *chance);

/* One operation of any kind, drawn from play->chance, and perhaps some steps of background work.
 * The disk may die meanwhile, and the store fail. */
void play_random(struct play *play);

/* A small store with that many operations behind it. Of `play` the chance and what it says are set.
 */
void play_random_store(struct play *play, uint64_t seed, unsigned operations);

#endif
