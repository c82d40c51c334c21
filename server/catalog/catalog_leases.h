/*
 * Who had the write lease of an image, over all servers: what tells a client that comes back after
 * its connection or the server was gone whether somebody else wrote meanwhile. What it had read
 * before, a kernel in its page cache, would then be old, and what it writes would destroy.
 *
 * Each grant of a lease gets the image's next number. The number that is shown to a client is the
 * last one that was granted to another: it stays while the client itself is granted the lease
 * again and again, and moves as soon as another one was.
 *
 * Errors, threads and durability as in catalog.h.
 */
#ifndef CATALOG_CATALOG_LEASES_H
#define CATALOG_CATALOG_LEASES_H

#include "catalog/catalog.h"

/* To be durable before the first write; `client` "" is none that could come back. */
int catalog_lease_grant(struct catalog *catalog, uint64_t image, const char *client);
/* 0 when nobody else had it. */
int catalog_lease_seen(struct catalog *catalog, uint64_t image, const char *client,
                       int64_t *ret_number);

#endif
