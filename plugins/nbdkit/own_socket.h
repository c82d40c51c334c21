/*
 * Which socket belongs to the connection whose thread asks. nbdkit does not say it. But among the
 * sockets that came in (listener.h) a connection that begins finds one that no other has found
 * before and that has its peer. When a process connects several times at once there may be more:
 * then nobody can tell, for none of these.
 *
 * Threads: any.
 */
#ifndef NBDKIT_PLUGIN_OWN_SOCKET_H
#define NBDKIT_PLUGIN_OWN_SOCKET_H

/* Once for each connection, in .preconnect. Returns the descriptor, which nbdkit closes in the same
 * thread when the connection ends; or -1. */
int own_socket_find(void);

#endif
