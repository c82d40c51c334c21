/*
 * The data path: one open export of one client connection.
 *
 * An export is named by a ref: a volume, a snapshot, a version; or by two with ".." between them,
 * the difference of two that are frozen. Snapshots and committed versions are frozen: any number of
 * clients may have them open, and nobody can write them. A version that is committed while clients
 * have it open is frozen for these too, from that moment on. A difference can be read: where the
 * second differs from the first it holds the second's bytes and is data, also where these are
 * zeroes; where both are equal it is a hole. Its size is the second one's. "Equal" is the same
 * block of the store: what was written again with the same bytes differs. As long as it is open
 * neither of the two can be deleted.
 *
 * Opening takes no lease and little memory: nbdkit opens exports for listing too. The first write,
 * trim or zero takes the write lease of the image for the connection's client, unless the volume
 * is shared. Who the client is says the caller, with `client`: connections with equal strings are
 * one client and share the lease, which ends when the last of them closes. A string with '#' is
 * taken as good for this connection only; by all others a client that comes back, also to another
 * server, is known again, and the description tells it when others wrote meanwhile.
 *
 * Any byte range is legal. Errors: past the end EINVAL for reads and ENOSPC for writes; EPERM when
 * read-only or frozen, the lease is another client's, or the client was fenced; EIO for damage and
 * for a failed store; ENOSPC before any side effect; ENOMEM. No other errno is returned by the I/O
 * functions.
 *
 * Threads: any number of threads may use one export at once; closing must be the last call.
 */
#ifndef VARVE_EXPORT_H
#define VARVE_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct varve;
struct varve_export;

int varve_export_open(struct varve *varve, const char *ref, const char *client, bool read_only,
                      struct varve_export **ret_export);
void varve_export_close(struct varve_export *export); /* takes NULL */

uint64_t varve_export_size(const struct varve_export *export);
/* False when opened read-only, the ref cannot be written, or another client holds the lease now. */
bool varve_export_can_write(const struct varve_export *export);
/* One line for people, e.g. "volume demo, 10 GiB", "snapshot demo@a, 10 GiB, frozen". */
const char *varve_export_description(const struct varve_export *export);

enum varve_io_flags {
    VARVE_FUA = 1,  /* durable before the answer */
    VARVE_FAST = 2, /* zero: fail with ENOTSUP rather than be slower than a trim */
};

int varve_export_read(struct varve_export *export, void *buffer, size_t length, uint64_t offset);
/* The same, or -EAGAIN, without a message, when it would have to wait for the disk; the buffer's
 * content is undefined then. Where that cannot be told it waits all the same. */
int varve_export_read_nowait(struct varve_export *export, void *buffer, size_t length,
                             uint64_t offset);
/* Ranges that are likely to be read soon: begins to read them into the page cache below and does
 * not wait. A hint; what is past the end is ignored. */
struct varve_ahead {
    uint64_t offset, length; /* bytes */
};
void varve_export_read_ahead(struct varve_export *export, const struct varve_ahead *ranges,
                             unsigned count);
int varve_export_write(struct varve_export *export, const void *buffer, size_t length,
                       uint64_t offset, unsigned flags);
int varve_export_trim(struct varve_export *export, uint64_t length, uint64_t offset,
                      unsigned flags);
int varve_export_zero(struct varve_export *export, uint64_t length, uint64_t offset,
                      unsigned flags);
int varve_export_flush(struct varve_export *export);
/* Reads the range into the page cache below, and its map. */
int varve_export_cache(struct varve_export *export, uint64_t length, uint64_t offset);

struct varve_extent {
    uint64_t offset, length; /* bytes */
    bool hole;               /* reads as zeroes and takes no space; else data */
};
/* Fills up to `max` extents that cover the range from its start without a gap, never past its end
 * in sum. Returns how many (at least one for a nonempty range). */
int varve_export_extents(struct varve_export *export, uint64_t length, uint64_t offset,
                         struct varve_extent *ret_extents, unsigned max);

/* Calls `visit` with the ref (in full) and description of each export: volumes in the order of
 * names, then snapshots, in the order of volumes and ages, then versions. A nonzero return of it
 * stops and is returned. */
typedef int (*varve_export_visit)(void *opaque, const char *ref, const char *description);
int varve_export_list(struct varve *varve, varve_export_visit visit, void *opaque);

#endif
