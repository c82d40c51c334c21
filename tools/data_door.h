/*
 * A way to an export's bytes for programs of this host that speak NBD: the socket of the server
 * that serves the store or, when nobody does, a server of our own that ends with this process. From
 * opening to closing the store is served in any case, its control door too, so that requests go to
 * it as always.
 *
 * The functions print one sentence when they fail and return an exit code.
 */
#ifndef TOOLS_DATA_DOOR_H
#define TOOLS_DATA_DOOR_H

#include <limits.h>
#include <sys/types.h>

struct data_door {
    char socket[PATH_MAX];
    char folder[64]; /* of our own server: its socket and what it said; "" with another's */
    pid_t server;    /* our own; 0 with another's */
};

/* `socket`: where the server listens when there is one, or NULL for STORE/nbd.sock. */
int data_door_open(const char *store, const char *socket, struct data_door *ret_door);
/* Ends our own server and waits until the store is free again. */
void data_door_close(struct data_door *door);

/* The URI of an export there, in new memory. Never NULL. */
char *data_door_uri(const struct data_door *door, const char *ref);

/* STORE/nbd.sock or `named`, which must be a socket. */
int data_door_find_socket(const char *store, const char *named, char ret_path[PATH_MAX]);

#endif
