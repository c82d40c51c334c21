/*
 * The process that `varve attach` leaves behind for a device of the kernel's nbd driver. It made
 * all the connections of the device, and makes them anew when they die, so that the device
 * outlives the server: requests wait in the driver meanwhile.
 *
 *            fork
 *     (attach) -> negotiates, connects the device -> reports to attach -> waits for a death
 *                                                                          |         ^
 *                      SIGTERM, or the device is no longer ours: ends      v         |
 *                                             negotiates until the server offers the same export:
 *                                             the same image, of the same size, with the same
 * rights
 *
 * nbd-client cannot do this: -persist works only without netlink, where one process sits in an
 * ioctl and the driver fails all requests when the last connection dies.
 *
 * One process makes all connections because the server knows a client of this machine by its
 * process: connections of two would be two clients, and only one of them gets the write lease.
 *
 * It holds a lock on the file `watcher` in the attachment's folder, which tells others that it
 * lives, and which process it is. With --hold 0 none is left.
 */
#ifndef TOOLS_ATTACH_WATCH_H
#define TOOLS_ATTACH_WATCH_H

#include "attachment.h"

/* These return EXIT_DONE, or print one sentence and return another exit code. */

/* Starts it, waits until it has connected a device, and sets that. A device that the attachment has
 * already it takes over instead: its watcher was killed. */
int attach_watch_start(struct attachment *attachment);
/* Ends it, if there is one. The device stays. */
int attach_watch_end(const struct attachment *attachment);

bool attach_watch_lives(const struct attachment *attachment);

#endif
