/*
 * Requests that a client has sent and nobody has read yet, as bytes of its connection: which reads
 * are among them. Pure, and trusts nothing: what is not understood ends the search. Understood are
 * the simple requests of NBD, 28 bytes each and behind a write its data; not extended headers, nor
 * TLS.
 */
#ifndef NBDKIT_PLUGIN_WAITING_H
#define NBDKIT_PLUGIN_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WAITING_HEADER = 28,
    WAITING_LENGTH_MAX = 128 * 1024,   /* bytes; longer reads are left out, as empty ones are */
    WAITING_SUM_MAX = 2 * 1024 * 1024, /* bytes of all reads of one answer */
};

struct waiting_read {
    uint64_t offset; /* any: may be past the end */
    uint32_t length; /* 1 to WAITING_LENGTH_MAX */
};

/* The last request that was looked at, so that each is told once: requests that are under way at
 * the same time differ at least in their cookies. Begins as zeroes. */
struct waiting_mark {
    uint8_t header[WAITING_HEADER];
};

/* `bytes` begins with a request's header. Fills up to `max` reads that come behind the marked
 * request (or, when that is not there, from the start), returns how many, and moves the mark.
 * *ret_cut: the bytes ended in a request, and more of them may show more. */
unsigned waiting_reads(const uint8_t *bytes, size_t length, struct waiting_mark *mark,
                       struct waiting_read *ret_reads, unsigned max, bool *ret_cut);

#endif
