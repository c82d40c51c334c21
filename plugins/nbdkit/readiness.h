/* Says that the server is ready, to whoever started it. */
#ifndef NBDKIT_PLUGIN_READINESS_H
#define NBDKIT_PLUGIN_READINESS_H

/* Tells the service manager (sd_notify's protocol: READY=1 to $NOTIFY_SOCKET), when there is one,
 * and writes "varve: serving DIR on unix:PATH and tcp HOST:PORT" to the descriptor, which is closed
 * then; -1: no such line. */
void readiness_announce(const char *store, int fd);

/* Tells the service manager that the stop began. */
void readiness_stopping(void);

#endif
