/*
 * Long pieces of work: how far they are, and how they are told to stop.
 *
 * A thread that begins something long names it with varve_operation_begin; whatever it calls then
 * reports with varve_progress, and stops when that says so. Who wants to know asks by token, or for
 * the list of all, from any other thread.
 *
 *   work:     varve_operation_begin · … varve_progress … · varve_operation_end
 *   watcher:  varve_operation_list, varve_operation_cancel
 *
 * Threads: begin, progress and end belong to the thread that works; the others are for any.
 */
#ifndef VARVE_PROGRESS_H
#define VARVE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum { VARVE_OPERATION_TOKEN_MAX = 63, VARVE_OPERATION_TEXT_MAX = 159 };

struct varve_operation {
    char token[VARVE_OPERATION_TOKEN_MAX + 1]; /* as the caller of the request chose it */
    char what[VARVE_OPERATION_TEXT_MAX + 1];   /* e.g. "commit of imagenet:4k2m9x1" */
    char step[VARVE_OPERATION_TEXT_MAX + 1];   /* what it is doing: "digest", "files" */
    char unit[16];                             /* of done and total: "bytes", "files" */
    uint64_t done, total;                      /* total 0: not known */
    int64_t started;                           /* seconds since 1970 */
    bool cancelled;                            /* it was told to stop, and has not yet */
};

/* Names what this thread does from now on. `token` may be "" (one is drawn). -EEXIST when the token
 * is in use, -EBUSY when too many operations run. A thread has one at a time. */
int varve_operation_begin(const char *token, const char *what);
void varve_operation_end(void); /* nothing when none was begun */
/* Says in better words what this thread's operation is; nothing without one. */
void varve_operation_describe(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says how far this thread's operation is, at most some thousand times a second. 0, or -ECANCELED
 * with a line: clean up and return that. Without an operation: 0. */
int varve_progress(const char *step, const char *unit, uint64_t done, uint64_t total);

/* Calls `visit` for each operation that runs, oldest first. */
typedef int (*varve_operation_visit)(void *opaque, const struct varve_operation *operation);
int varve_operation_list(varve_operation_visit visit, void *opaque);

/* The one with this token. -ENOENT when none runs. */
int varve_operation_show(const char *token, struct varve_operation *ret_operation);

/* Asks it to stop; returns at once. -ENOENT when no operation has this token. */
int varve_operation_cancel(const char *token);
/* Asks all that run now. */
void varve_operation_cancel_all(void);

#endif
