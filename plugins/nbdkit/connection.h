/*
 * One connection of a client to an export. nbdkit makes one for each handshake, and also for
 * a client that only lists or asks (NBD_OPT_INFO): it takes no lease and little memory.
 *
 * nbdkit does not call .close for connections that it cuts at a stop; so all connections stand in a
 * list, and connection_close_all ends those that are left.
 *
 * Threads: any; one connection is closed once, after its last request.
 */
#ifndef NBDKIT_PLUGIN_CONNECTION_H
#define NBDKIT_PLUGIN_CONNECTION_H

#include <stdbool.h>
#include <varve/export.h>

#include "own_socket.h"

struct connection;

/* How many there may be at once; one more is refused its export. Before the first. */
void connection_limit(unsigned most);

/* What nbdkit calls .open and .close. */
void *connection_open(int read_only, struct own_socket socket);
void connection_close(void *handle);

/* Those that are open now. */
unsigned connection_count(void);

/* Whether all connections of the client with this name have ended, or will any moment. */
bool connection_client_ended(const char *holder);

/* Only when no callback of a connection can run any more. */
void connection_close_all(void);

struct varve_export *connection_export(const struct connection *connection);

/* Logs that the request failed, says why (varve_error), sets the client's error code. Returns -1.
 */
int connection_refuse(const struct connection *connection, int error, const char *request,
                      uint64_t length, uint64_t offset);

#endif
