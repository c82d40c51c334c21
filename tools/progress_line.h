/*
 * The one line on standard error that shows how far something long is:
 *
 *   digest: 1.2 GiB of 4 GiB, 30 %, 210 MiB/s, 0:13 left
 *
 * On a terminal it is drawn again in place and goes at the end, so that nothing of it stays; it
 * comes only after a moment, so that short work shows none. Elsewhere nothing is written, unless
 * lines were asked for (--progress): then there is one every few seconds.
 *
 * Threads: one at a time.
 */
#ifndef TOOLS_PROGRESS_LINE_H
#define TOOLS_PROGRESS_LINE_H

#include <stdbool.h>

struct varve_operation;
struct progress_line;

/* `always`: also where there is no terminal. NULL without memory, which all of these take. */
struct progress_line *progress_line_new(bool always);
/* Takes the line away. */
void progress_line_free(struct progress_line *line);

/* Whether anything will ever be written: else nobody needs to ask how far the work is. */
bool progress_line_is_shown(const struct progress_line *line);

void progress_line_show(struct progress_line *line, const struct varve_operation *operation);
/* Takes the line away until it is shown next, so that a sentence can be written. */
void progress_line_clear(struct progress_line *line);

/* Takes away whatever line another thread has drawn. */
void progress_line_wipe(void);

/* The text, for `rate` units a second (0: not known). Pure. */
enum { PROGRESS_TEXT = 320 };
void progress_line_text(const struct varve_operation *operation, double rate,
                        char text[PROGRESS_TEXT]);

#endif
