/*
 * What a test program has really done, by the classes of faults: each prints what it counted as its
 * last lines, `count: NAME NUMBER`, and tests/lib/suite.py adds them up over all programs of a run.
 *
 * A case counts once: the same state met again, or a fault that did not strike, is none.
 *
 * Threads: one.
 */
#ifndef SIM_COUNTS_H
#define SIM_COUNTS_H

#include <stdint.h>

enum counted {
    COUNT_POWER_CUTS,
    COUNT_RECOVERY_CUTS,
    COUNT_KILLS, /* of the simulated process */
    COUNT_IO_ERRORS,
    COUNT_ALLOCATIONS, /* that failed */
    COUNT_DATA_DAMAGE, /* blocks */
    COUNT_METADATA_BYTES,
    COUNT_HOSTILE, /* images with right checksums and impossible contents */
    COUNT_OPERATIONS,
    COUNT_STORE_FULL,
    COUNT_CATALOG_CUTS, /* of store and catalog together */
    COUNTED
};

void count_case(enum counted what, uint64_t cases);
uint64_t count_cases(enum counted what); /* so far */
/* A line for each class that is not zero, on stdout. */
void count_print(void);

#endif
