/*
 * What a client does between its flushes, and so when its next one is to be expected. A program
 * that waits for each of its blocks sends one change and a flush, again and again. A file system
 * with a journal sends its data and the journal's blocks, a flush, the block that commits them, and
 * a flush: then numbers of changes alternate. Both are seen by comparing the changes before a flush
 * with those before the last flush, and with those before the one before that.
 *
 * Only a guess, on which nothing may depend but speed. No I/O, no lock: the owner's.
 */
#ifndef STORE_FLUSH_PATTERN_H
#define STORE_FLUSH_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

enum { FLUSH_PERIODS = 2 };

struct flush_pattern {
    uint64_t changes; /* since the last flush */
    uint64_t
        before[FLUSH_PERIODS];   /* changes before the last flush, and before the one before it */
    unsigned row[FLUSH_PERIODS]; /* flushes in a row that came after as many changes as the last
                                    one, and as the one before it */
};

void flush_pattern_begin(struct flush_pattern *pattern);
/* Counts a change. True when a flush is to be expected next, since that has been so `after` times
 * in a row. */
bool flush_pattern_change(struct flush_pattern *pattern, unsigned after);
/* A flush begins. `in_vain`: what was done because it was expected was of no use. */
void flush_pattern_flush(struct flush_pattern *pattern, bool in_vain);

#endif
