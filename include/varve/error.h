/*
 * Errors as the callers of varve see them.
 *
 * Every function that can fail returns 0 (or a count) on success and a negative errno on failure.
 * The place that detects a problem also sets one line of text for people, kept per thread; nobody
 * on the way up overwrites it, and only the edge (plugin, command, control door) prints it. The
 * line names what was wrong, with the value, and what to do. It has no trailing full stop or
 * newline.
 *
 * Threads: everything here is per thread and needs no lock.
 */
#ifndef VARVE_ERROR_H
#define VARVE_ERROR_H

/* The last line set on this thread, or strerror of nothing ("") when none was. Valid until the next
 * failing call on the same thread. Never NULL. */
const char *varve_error(void);

/* Forgets the line; call it before a sequence whose message will be shown. */
void varve_error_clear(void);

/* Sets the line and returns -errnum, so that `return varve_fail(ENOENT, "volume '%s' ...", name)`
 * reads well. errnum is positive. */
int varve_fail(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for want of memory: sets "no memory for <what>" and returns -ENOMEM. */
int varve_no_memory(const char *what);

#ifdef __clang_analyzer__
/* It does not look into other files, so it has to be told that a failure is never 0. */
#define varve_fail(errnum, ...) ((void)varve_fail(errnum, __VA_ARGS__), -(errnum))
#define varve_no_memory(what)   ((void)varve_no_memory(what), -1)
#endif

#endif
