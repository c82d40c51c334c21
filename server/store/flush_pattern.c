#include "store/flush_pattern.h"

#include <string.h>

#include "base/block.h"

/* One sample counts so much. A client that sleeps between a write and its flush does so now and
 * then: a longer distance says no more than this one. */
enum { APART_SHARE = 8, APART_MAX = 250000 };

void flush_pattern_begin(struct flush_pattern *pattern)
{
    memset(pattern, 0, sizeof *pattern);
    pattern->before[0] = 1; /* the most frequent pattern needs no flush more to be seen */
}

bool flush_pattern_change(struct flush_pattern *pattern, unsigned after)
{
    bool expected = false;

    pattern->changes++;
    pattern->answered = 0;
    for (unsigned period = 0; period < FLUSH_PERIODS; period++) {
        expected = expected ||
                   (pattern->row[period] >= after && pattern->before[period] == pattern->changes);
    }
    return expected;
}

void flush_pattern_answer(struct flush_pattern *pattern, uint64_t now)
{
    pattern->answered = now;
}

void flush_pattern_flush(struct flush_pattern *pattern, uint64_t now, bool in_vain)
{
    if (pattern->answered != 0) {
        uint64_t apart = min_u64(now - pattern->answered, APART_MAX);

        pattern->apart += apart / APART_SHARE - pattern->apart / APART_SHARE;
        pattern->answered = 0;
    }
    for (unsigned period = 0; period < FLUSH_PERIODS; period++) {
        bool same = pattern->changes == pattern->before[period] && !in_vain;

        pattern->row[period] = same ? pattern->row[period] + 1 : 0;
    }
    pattern->before[1] = pattern->before[0];
    pattern->before[0] = pattern->changes;
    pattern->changes = 0;
}
