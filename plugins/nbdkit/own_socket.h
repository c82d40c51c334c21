/*
 * Which socket belongs to the connection whose thread asks. nbdkit does not say it. But among the
 * sockets that came in (listener.h) a connection that begins finds one that no other has found
 * before and that has its peer. When a process has several that did not get so far yet, nobody can
 * tell, for none of these.
 *
 * It is searched only when a client asks for an export: that looks at all descriptors, which a
 * crowd that says nothing shall not cost.
 *
 * Threads: any.
 */
#ifndef NBDKIT_PLUGIN_OWN_SOCKET_H
#define NBDKIT_PLUGIN_OWN_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

struct own_socket {
    int fd; /* nbdkit closes it in the connection's thread when the connection ends; -1: not
               known */
    uint64_t cookie; /* which no other socket ever has */
};

/* In .open; a connection that opens another export gets the same again. */
struct own_socket own_socket_find(void);

/* Whether the connection is closed, or its client hung up: it ends as soon as what it still has to
 * do is done. False when the socket is not known. */
bool own_socket_has_ended(const struct own_socket *socket);

#endif
