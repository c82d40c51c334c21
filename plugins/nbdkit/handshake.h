/*
 * Connections that negotiate. nbdkit has no limit on their number, and before 1.42 none on their
 * time: a client that connects and says nothing would take a thread and a descriptor for ever.
 *
 *   .preconnect   a connection begins: its thread takes a place
 *   .open         it got an export: the place is free, and the limit of open connections holds
 *   .close        it may negotiate anew (NBD_OPT_INFO opens and closes): a place again, for as long
 *   its end       the place is free, if it is not yet (a destructor of its thread: nbdkit tells
 *                 a plugin nothing of the end of a connection that got no export)
 *
 * A place is for a limited time. When a connection begins and all places are taken, the one that
 * negotiates longest has to go: one that means well is done within milliseconds, so those that
 * stall push each other out, and nobody else.
 *
 * nbdkit gives a plugin no access to its sockets either. But a thread that stalls is in a system
 * call on its socket, and Linux shows in /proc/self/task/TID/syscall which; where it does not (a
 * kernel may be built without), only the number is limited: a new connection is refused then while
 * all places are taken.
 *
 * Threads: handshake_begin, _done and _go_on in the connection's (in others the last two do
 * nothing), the others in any.
 */
#ifndef NBDKIT_PLUGIN_HANDSHAKE_H
#define NBDKIT_PLUGIN_HANDSHAKE_H

/* Starts the thread that looks at the time. Returns 0 or a positive errno. */
int handshake_start(unsigned places, unsigned seconds);
void handshake_stop(void);

/* Returns 0, or -1 after a complaint: the connection is to be refused. */
int handshake_begin(void);
void handshake_done(void);
void handshake_go_on(void);

#endif
