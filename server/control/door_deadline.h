/*
 * Deadlines of connections. The HTTP library ends a connection that is silent; a client that sends
 * or takes one byte a second is never silent, and would hold one of the few places for ever. A
 * connection whose deadline passes is shut down, which wakes the thread that serves it.
 *
 * Threads: any. Locking: one mutex, a leaf.
 */
#ifndef CONTROL_DOOR_DEADLINE_H
#define CONTROL_DOOR_DEADLINE_H

struct door_deadlines;
struct door_deadline;

int door_deadlines_start(struct door_deadlines **ret_deadlines);
/* All deadlines must have been removed. Takes NULL. */
void door_deadlines_stop(struct door_deadlines *deadlines);

/* NULL without memory. The descriptor must stay open until the deadline is removed. */
struct door_deadline *door_deadline_add(struct door_deadlines *deadlines, int fd);
/* From now on this many seconds; 0: as long as it takes. */
void door_deadline_set(struct door_deadlines *deadlines, struct door_deadline *deadline,
                       unsigned seconds);
void door_deadline_remove(struct door_deadlines *deadlines, struct door_deadline *deadline);

#endif
