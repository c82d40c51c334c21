/*
 * The gate that every request passes: what makes an end without false answers possible.
 *
 * nbdkit, once told to stop, answers requests that it still reads with ESHUTDOWN, and with several
 * requests of a connection at once it does so too when the client's side of the connection ended
 * just then. The kernel's nbd driver hands that on as an I/O error of the device, though it would
 * connect again and repeat a request that was never answered. So a stop must let nbdkit answer
 * nothing after the last true answer:
 *
 *     open --gate_close--> closed: new requests wait in the gate, new connections are refused,
 *                          those under way end and are answered
 *          --gate_let_go--> what waits gets ESHUTDOWN: to be called when all connections are cut
 *
 * Threads: any.
 */
#ifndef NBDKIT_PLUGIN_GATE_H
#define NBDKIT_PLUGIN_GATE_H

#include <stdbool.h>

/* Around each request. Waits while the gate is closed, and returns false when it was let go: then
 * nothing may be done, and gate_leave must not follow. */
bool gate_enter(void);
void gate_leave(void);

bool gate_is_closed(void);
void gate_close(void);
/* Whether requests are under way that came in before. Only of a closed gate. */
bool gate_is_busy(void);
void gate_let_go(void);

#endif
