/*
 * The door's listening Unix socket: made whole or not at all. It appears under its name only when
 * it listens, with mode 0600 whatever the umask is. The name of a dead server's socket is taken
 * over.
 */
#ifndef CONTROL_DOOR_SOCKET_H
#define CONTROL_DOOR_SOCKET_H

#include <sys/types.h>

struct door_socket {
    int fd;        /* listens; the HTTP library closes it */
    int directory; /* where the name is; -1 when there is nothing to remove */
    char *name;
    dev_t device;
    ino_t inode;
};

/* -EBUSY when a server answers at `path`, -EEXIST when something else than a socket is there. */
int door_socket_open(const char *path, struct door_socket *ret_socket);

/* Removes the name, unless it names another socket by now. The descriptor stays open. */
void door_socket_remove(struct door_socket *socket);

/* The user at the other end, by name where there is one. */
void door_socket_peer(int fd, char *ret_who, size_t size);

#endif
