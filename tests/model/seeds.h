/* The command line of a program that plays something once for each seed. */
#ifndef MODEL_SEEDS_H
#define MODEL_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* `again` is the command that repeats this seed alone, "PROGRAM --seed N". */
typedef void (*seeds_play)(uint64_t seed, bool verbose, const char *again);

/* A number that the program takes besides, `--NAME N`: before the line is read, what it is unless
 * given. */
struct seeds_number {
    const char *name;
    uint64_t value;
};

/* How many there may be. */
enum { SEEDS_NUMBERS_MAX = 4 };

/*
 *   PROGRAM [--seed N] [--THINGS N] [--NAME N ...] [--verbose]
 *
 * Both numbers are 1 unless given; the seeds follow each other. `more` ends with a name of NULL;
 * it may be NULL. At the end says how many were played and prints the counts. Returns the exit
 * code: 2 for a line that it does not understand.
 */
int seeds_main(int argc, char **argv, const char *things, struct seeds_number *more,
               seeds_play play);

#endif
