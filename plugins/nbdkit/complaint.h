/*
 * Errors of the plugin: the code that reaches the client, and the line that reaches the log.
 *
 * A client can cause errors as fast as it can send requests, and chooses some of their text: so
 * lines are counted, and bytes that a terminal or a log could take for more than text are escaped.
 *
 * Threads: any.
 */
#ifndef NBDKIT_PLUGIN_COMPLAINT_H
#define NBDKIT_PLUGIN_COMPLAINT_H

#include <stddef.h>

enum { COMPLAINT_MAX = 400 }; /* bytes of one line */

/* Logs the line, unless there were too many of late. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells nbdkit the code for the client: one that NBD has, EIO for all others. `error` is a negative
 * errno. Returns -1, so that a callback can end with it. */
int refuse(int error);

/* Copies `text`, escaped and cut to fit (marked by "..." then). Returns `line`. */
const char *escape_line(const char *text, char *line, size_t size);

#endif
