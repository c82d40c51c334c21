/*
 * The sockets that nbdkit listens on. It tells a plugin nothing of them, and nothing of the sockets
 * of the connections either; so they are found among the open descriptors of the process: what
 * listens when .after_fork begins (before the control door opens) is nbdkit's, and a connected
 * socket whose own address is that of a listener came in through it.
 *
 * Threads: listener_find first, then any.
 */
#ifndef NBDKIT_PLUGIN_LISTENER_H
#define NBDKIT_PLUGIN_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the listening sockets. Returns how many there are. */
unsigned listener_find(void);

/* "unix:/run/nbd.sock", "tcp 127.0.0.1:10809"; NULL when there are fewer. */
enum { LISTENER_NAME = 160 };
const char *listener_name(unsigned number, char name[LISTENER_NAME]);

/* Calls `visit` with the socket of each connection that came in through the listeners. */
void listener_visit_connections(void (*visit)(int fd));
/* Shuts all connections down, for both directions, that came in through the listeners. */
void listener_cut_connections(void);
/* The same for one descriptor. Returns whether it was such a connection, and open. */
bool listener_cut(int fd);

#endif
