/*
 * Who a client is. The write lease of a volume belongs to a client, and several connections of one
 * client share it; so all depends on when two connections are of one client:
 *
 *   Unix socket   the same process (number and start time, so that a later process with the number
 *                 of a dead one is another client) and user
 *   TCP           the same IP address; the port differs for each connection
 *   else          never
 *
 * A process that this one cannot see (it lives in another PID namespace) has no number here: each
 * of its connections counts as a client of its own, which errs towards refusing a write.
 */
#ifndef NBDKIT_PLUGIN_CLIENT_H
#define NBDKIT_PLUGIN_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

enum client_kind { CLIENT_PROCESS, CLIENT_HOST, CLIENT_LONE };

enum { CLIENT_NAME = 128 };

struct client {
    enum client_kind kind;
    int64_t pid, uid;       /* of a process */
    uint64_t start;         /* of a process: clock ticks since boot; 0: it had ended already */
    char name[CLIENT_NAME]; /* for people: "pid 71 (qemu-system-x86) uid 0", "10.0.0.7" */
};

/* Finds out whose connection the calling thread serves. Only within a callback of a connection. */
void client_identify(struct client *ret_client);

bool client_equal(const struct client *a, const struct client *b);

#endif
