/*
 * A pool of io_urings. A batch checks one out, so that many threads perform at once and no two
 * share a ring; the rings are made when they are first wanted, which is also what makes them work
 * in a process that forked after the files were opened.
 *
 * Threads: any.
 */
#ifndef IO_RINGS_H
#define IO_RINGS_H

#include "io/files.h"

/* NULL when there is no memory. `slots` are SLOTS descriptors that outlive the pool. */
struct rings *rings_new(const int *slots);
/* No batch is under way. The kernel has let go of the descriptors when this returns. Takes NULL. */
void rings_free(struct rings *rings);

/* In the child after a fork: the rings that there are belong to the parent. */
void rings_forget(struct rings *rings);

/* One line: how batches are performed, see io_engine(). Valid until the pool is freed. */
const char *rings_describe(struct rings *rings);

/* Performs all requests and sets their results. */
void rings_perform(struct rings *rings, const struct io_files *files, struct io_request *requests,
                   size_t count);

#endif
