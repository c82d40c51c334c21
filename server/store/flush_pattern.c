#include "store/flush_pattern.h"

#include <string.h>

void flush_pattern_begin(struct flush_pattern *pattern)
{
    memset(pattern, 0, sizeof *pattern);
    pattern->before[0] = 1; /* the most frequent pattern needs no flush more to be seen */
}

bool flush_pattern_change(struct flush_pattern *pattern, unsigned after)
{
    bool expected = false;

    pattern->changes++;
    for (unsigned period = 0; period < FLUSH_PERIODS; period++) {
        expected = expected ||
                   (pattern->row[period] >= after && pattern->before[period] == pattern->changes);
    }
    return expected;
}

void flush_pattern_flush(struct flush_pattern *pattern, bool in_vain)
{
    for (unsigned period = 0; period < FLUSH_PERIODS; period++) {
        bool same = pattern->changes == pattern->before[period] && !in_vain;

        pattern->row[period] = same ? pattern->row[period] + 1 : 0;
    }
    pattern->before[1] = pattern->before[0];
    pattern->before[0] = pattern->changes;
    pattern->changes = 0;
}
