/* The command line of a program that plays something once for each seed. */
#ifndef MODEL_SEEDS_H
#define MODEL_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* `again` is the command that repeats this seed alone, "PROGRAM --seed N". */
typedef void (*seeds_play)(uint64_t seed, bool verbose, const char *again);

/*
 *   PROGRAM [--seed N] [--THINGS N] [--verbose]
 *
 * Both numbers are 1 unless given; the seeds follow each other. At the end says how many were
 * played and prints the counts. Returns the exit code: 2 for a line that it does not understand.
 */
int seeds_main(int argc, char **argv, const char *things, seeds_play play);

#endif
