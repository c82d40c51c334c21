/*
 * Waiting for something outside this process, in short pauses up to a time limit, and being asked
 * to end meanwhile:
 *
 *   for (struct deadline deadline = deadline_in(10); !it_is_there();)
 *       if (!deadline_wait(&deadline))
 *           return ...;  the time is over, or a signal asked the command to end
 */
#ifndef TOOLS_DEADLINE_H
#define TOOLS_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct deadline {
    int64_t end;      /* milliseconds of the monotonic clock */
    int milliseconds; /* of the next pause: they become longer */
};

struct deadline deadline_in(int seconds);
/* Waits a little. Returns false when the time is over or the command should end. */
bool deadline_wait(struct deadline *deadline);

/* From here on SIGINT, SIGTERM and SIGHUP only ask the command to end; it looks at interrupt_seen
 * between its steps and undoes what it did. */
void interrupt_catch(void);
bool interrupt_seen(void);
/* The undoing itself is not to be interrupted. */
void interrupt_ignore(void);

#endif
