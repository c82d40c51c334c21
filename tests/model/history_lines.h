/*
 * The lines of the history, to compare: what a volume or version is, and what its history says that
 * it has become, must be one.
 */
#ifndef MODEL_HISTORY_LINES_H
#define MODEL_HISTORY_LINES_H

#include <stdbool.h>
#include <stdint.h>

struct varve;

enum { HISTORY_LINES_MAX = 100, HISTORY_LINE_SHOWN = 100 };

/* Without what differs from run to run: times, and names and ids that are drawn. */
struct history_lines {
    unsigned count;
    uint64_t first[HISTORY_LINES_MAX + 1]; /* a number for the first so many lines */
    char last[HISTORY_LINE_SHOWN];
};

/* 0 or -errno. */
int history_lines_see(struct varve *varve, struct history_lines *ret_lines);

/* Are these the first `count` lines of `all`, and no more? */
bool history_lines_are_first(const struct history_lines *lines, const struct history_lines *all,
                             unsigned count);

/* Are these the lines of `before` with two more: a snapshot saved, and deleted as the rollback
 * failed? */
bool history_lines_undo(const struct history_lines *lines, const struct history_lines *before);

#endif
