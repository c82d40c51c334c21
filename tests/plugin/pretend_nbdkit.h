/*
 * What of nbdkit the plugin sees, in the program of a test: its functions, and a server that calls
 * the plugin as nbdkit does, with several workers for each connection. A sanitizer sees all of it,
 * which it does not of the real one.
 *
 * The protocol is none: a client sends the index of an export, one byte, and then requests; each
 * is answered with its number and an errno.
 */
#ifndef PLUGIN_PRETEND_NBDKIT_H
#define PLUGIN_PRETEND_NBDKIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

enum pretend_kind { PRETEND_READ, PRETEND_WRITE, PRETEND_FLUSH, PRETEND_TRIM, PRETEND_KINDS };

struct pretend_request {
    uint32_t kind, length; /* up to PRETEND_LENGTH_MAX */
    uint64_t offset, number;
};

struct pretend_answer {
    uint64_t number;
    int64_t error;
};

enum { PRETEND_LENGTH_MAX = 65536, PRETEND_WORKERS = 8 };

struct nbdkit_plugin *plugin_init(void);

/* A listening socket; before the plugin starts a thread. Ends the program when it cannot be made.
 */
int pretend_listen(const struct sockaddr_un *address);

/* Serves `exports` (names, NULL at the end) on a listening socket until nbdkit_shutdown, and until
 * all connections are gone. The listener is closed then. */
void pretend_serve(const struct nbdkit_plugin *plugin, const char *const *exports, int listener);

/* All bytes; false at the end of the connection. */
bool pretend_receive(int fd, void *bytes, size_t length);
bool pretend_send(int fd, const void *bytes, size_t length);

#endif
