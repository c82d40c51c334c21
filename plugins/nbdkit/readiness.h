/* Says that the server is ready, to whoever started it. */
#ifndef NBDKIT_PLUGIN_READINESS_H
#define NBDKIT_PLUGIN_READINESS_H

#include "settings.h"

/* Tells the service manager (sd_notify's protocol: READY=1 to $NOTIFY_SOCKET), when there is one,
 * and prints "varve: serving DIR on unix:PATH and tcp HOST:PORT" when the settings ask for it. */
void readiness_announce(const struct settings *settings);

/* Tells the service manager that the stop began. */
void readiness_stopping(void);

#endif
