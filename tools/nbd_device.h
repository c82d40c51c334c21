/*
 * The kernel's nbd devices, over netlink (linux/nbd-netlink.h): connected, given new sockets,
 * disconnected. The driver serves a device with sockets that were negotiated here, and keeps it
 * while they are all dead, for as long as was asked.
 *
 * The driver keeps an identity for a device, a text of ours (since Linux 5.14). It shows it in
 * /sys/block/nbdN/backend, and takes new sockets only from who knows it: so no device of somebody
 * else is ever touched, also when ours went and its number was given out again.
 *
 * Functions that return int return 0 or a negative errno with varve_error() set, but for those that
 * say otherwise. Root only.
 */
#ifndef TOOLS_NBD_DEVICE_H
#define TOOLS_NBD_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "nbd_negotiate.h"

enum { NBD_CONNECTIONS_MAX = 16 };

/* Whether the driver is there; asks modprobe for it. */
bool nbd_available(void);

/* The number of the device with the identity, or -1. */
int nbd_find(const char *identity);

struct nbd_sockets {
    int count;
    int fds[NBD_CONNECTIONS_MAX];
};

struct nbd_waiting {
    int retry; /* seconds until a request without an answer is sent again, on another socket */
    int hold;  /* seconds that requests wait while all sockets are dead, before they fail */
};

/* Makes a device of sockets that were all offered the same. The driver takes the sockets over: the
 * caller closes its descriptors in any case. */
int nbd_connect(const char *identity, const struct nbd_offer *offer,
                const struct nbd_sockets *sockets, struct nbd_waiting waiting, int *ret_number);

/* Puts sockets in the place of dead ones; those for which there is no dead one are let go. */
int nbd_reconnect(const char *identity, int number, const struct nbd_sockets *sockets);

/* Requests that wait fail. The device's identity goes when nobody has it open any more. */
int nbd_disconnect(int number);

/* The deaths of sockets, as the driver tells them. */
struct nl_sock;
int nbd_deaths_open(struct nl_sock **ret_deaths);
void nbd_deaths_close(struct nl_sock *deaths);
/* Waits up to `milliseconds` and returns how many sockets of the device died; INT_MAX when the
 * driver told more than could be kept; 0 when none did; a negative errno. */
int nbd_deaths_wait(struct nl_sock *deaths, int number, int milliseconds);

#endif
