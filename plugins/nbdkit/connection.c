#include "connection.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "client.h"
#include "complaint.h"
#include "gate.h"
#include "handshake.h"
#include "plugin.h"

enum { REF_SHOWN = 80 };

struct connection {
    struct varve_export *export;
    struct client client;
    struct own_socket socket;
    /* What the client is called when leases are compared: its name, with a number where two
     * clients have one name. */
    char holder[CLIENT_NAME + 16];
    char ref[REF_SHOWN]; /* what it asked for, escaped and cut, for the log */
    struct connection *previous, *next;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *first;
static unsigned count, count_most;
static uint64_t namesakes; /* numbers given out so far */

/* Connections of one client get one holder, those of two clients never do, even when both have one
 * name: a process that ended and left a connection open may have passed its number on. */
static void choose_holder_locked(struct connection *connection)
{
    bool taken = false;

    for (const struct connection *other = first; other; other = other->next) {
        if (client_equal(&other->client, &connection->client)) {
            memcpy(connection->holder, other->holder, sizeof connection->holder);
            return;
        }
        taken = taken || strcmp(other->client.name, connection->client.name) == 0;
    }
    if (taken || connection->client.kind == CLIENT_LONE) {
        snprintf(connection->holder, sizeof connection->holder, "%s #%" PRIu64,
                 connection->client.name, ++namesakes);
    } else {
        snprintf(connection->holder, sizeof connection->holder, "%s", connection->client.name);
    }
}

/* False when there are as many as there may be. */
static bool list_add(struct connection *connection)
{
    pthread_mutex_lock(&list_lock);
    if (count == count_most) {
        pthread_mutex_unlock(&list_lock);
        return false;
    }
    count++;
    choose_holder_locked(connection);
    connection->next = first;
    if (first) {
        first->previous = connection;
    }
    first = connection;
    pthread_mutex_unlock(&list_lock);
    return true;
}

static void list_remove(struct connection *connection)
{
    pthread_mutex_lock(&list_lock);
    count--;
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        first = connection->next;
    }
    pthread_mutex_unlock(&list_lock);
}

void connection_limit(unsigned most)
{
    count_most = most;
}

unsigned connection_count(void)
{
    unsigned now;

    pthread_mutex_lock(&list_lock);
    now = count;
    pthread_mutex_unlock(&list_lock);
    return now;
}

/* A stop closes no connection by itself: then nobody is waited for. */
bool connection_client_ended(const char *holder)
{
    bool found = false, ended = !gate_is_closed();

    pthread_mutex_lock(&list_lock);
    for (const struct connection *c = first; c && ended; c = c->next) {
        if (strcmp(c->holder, holder) == 0) {
            found = true;
            ended = own_socket_has_ended(&c->socket);
        }
    }
    pthread_mutex_unlock(&list_lock);
    return found && ended;
}

void *connection_open(int read_only, struct own_socket socket)
{
    const char *ref = nbdkit_export_name();
    struct connection *connection;
    int error;

    if (!ref) {
        return NULL;
    }
    connection = calloc(1, sizeof *connection);
    if (!connection) {
        complain("no memory for a connection");
        refuse(-ENOMEM);
        return NULL;
    }
    escape_line(ref, connection->ref, sizeof connection->ref);
    client_identify(&connection->client);
    connection->socket = socket;
    if (!list_add(connection)) {
        complain("%s asked for export '%s': %u connections are open already, which is the limit",
                 connection->client.name, connection->ref, count_most);
        free(connection);
        refuse(-ESHUTDOWN);
        return NULL;
    }
    varve_error_clear();
    error = varve_export_open(plugin_store(), ref, connection->holder, read_only != 0,
                              &connection->export);
    if (error) {
        complain("%s asked for export '%s': %s", connection->holder, connection->ref,
                 *varve_error() ? varve_error() : strerror(-error));
        connection_close(connection);
        refuse(error);
        return NULL;
    }
    handshake_done();
    return connection;
}

void connection_close(void *handle)
{
    struct connection *connection = handle;

    varve_export_close(connection->export);
    list_remove(connection);
    free(connection);
    handshake_go_on();
}

void connection_close_all(void)
{
    while (first) {
        connection_close(first);
    }
}

struct varve_export *connection_export(const struct connection *connection)
{
    return connection->export;
}

int connection_refuse(const struct connection *connection, int error, const char *request,
                      uint64_t length, uint64_t offset)
{
    complain("export '%s', %s: %s of %" PRIu64 " bytes at %" PRIu64 ": %s", connection->ref,
             connection->holder, request, length, offset,
             *varve_error() ? varve_error() : strerror(-error));
    return refuse(error);
}
