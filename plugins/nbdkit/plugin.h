/*
 * What the parts of the nbdkit plugin share. nbdkit loads a plugin once into its process, so there
 * is one of everything here; each part keeps its own state in its own file:
 *
 *   plugin.c      the callbacks of the plugin's life, and the table that nbdkit reads
 *   settings.c    key=value
 *   handshake.c   connections that negotiate: how many, how long
 *   connection.c  one client connection: what .open makes and .close ends
 *   negotiation.c what a connection offers
 *   request.c     reads, writes and the rest
 *   client.c      who a client is
 *   complaint.c   errors, for the client and for the log
 *   listener.c    the sockets that nbdkit listens on
 *   readiness.c   says that the server is ready
 *   stop.c        a bounded stop at SIGTERM
 */
#ifndef NBDKIT_PLUGIN_PLUGIN_H
#define NBDKIT_PLUGIN_PLUGIN_H

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

struct varve;

/* The store: opened in .get_ready, closed in .cleanup or .unload. */
struct varve *plugin_store(void);

#endif
