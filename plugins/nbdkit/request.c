#include "request.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include <varve/error.h>
#include <varve/export.h>

#include "complaint.h"
#include "connection.h"
#include "gate.h"
#include "lookahead.h"

enum {
    EXTENT_RUN = 128,   /* extents that one lookup yields */
    EXTENTS_MAX = 8192, /* of one answer (64 KiB of it); the client asks again from there */
};

/* All requests but reads: trims may cover 4 GiB. NBDKIT_FLAG_MAY_TRIM says nothing new, a range of
 * zeroes is always a hole. */
static unsigned io_flags(uint32_t flags)
{
    return (flags & NBDKIT_FLAG_FUA ? VARVE_FUA : 0U) |
           (flags & NBDKIT_FLAG_FAST_ZERO ? VARVE_FAST : 0U);
}

/* False: the server stops, and the request is not to be done. */
static bool begin(void)
{
    if (!gate_enter()) {
        refuse(-ESHUTDOWN);
        return false;
    }
    varve_error_clear();
    return true;
}

static int answer(const struct connection *connection, int error, const char *request,
                  uint64_t length, uint64_t offset)
{
    gate_leave();
    return error < 0 ? connection_refuse(connection, error, request, length, offset) : 0;
}

int request_read(void *handle, void *buffer, uint32_t length, uint64_t offset, uint32_t flags)
{
    struct connection *connection = handle;
    int error;

    (void)flags;
    if (!begin()) {
        return -1;
    }
    error = lookahead_read(connection_export(connection), buffer, length, offset);
    return answer(connection, error, "read", length, offset);
}

int request_write(void *handle, const void *buffer, uint32_t length, uint64_t offset,
                  uint32_t flags)
{
    struct connection *connection = handle;
    int error;

    if (!begin()) {
        return -1;
    }
    error =
        varve_export_write(connection_export(connection), buffer, length, offset, io_flags(flags));
    return answer(connection, error, "write", length, offset);
}

int request_flush(void *handle, uint32_t flags)
{
    struct connection *connection = handle;

    (void)flags;
    if (!begin()) {
        return -1;
    }
    return answer(connection, varve_export_flush(connection_export(connection)), "flush", 0, 0);
}

int request_trim(void *handle, uint32_t length, uint64_t offset, uint32_t flags)
{
    struct connection *connection = handle;
    int error;

    if (!begin()) {
        return -1;
    }
    error = varve_export_trim(connection_export(connection), length, offset, io_flags(flags));
    return answer(connection, error, "trim", length, offset);
}

int request_zero(void *handle, uint32_t length, uint64_t offset, uint32_t flags)
{
    struct connection *connection = handle;
    int error;

    if (!begin()) {
        return -1;
    }
    error = varve_export_zero(connection_export(connection), length, offset, io_flags(flags));
    return answer(connection, error, "write of zeroes", length, offset);
}

int request_cache(void *handle, uint32_t length, uint64_t offset, uint32_t flags)
{
    struct connection *connection = handle;
    int error;

    (void)flags;
    if (!begin()) {
        return -1;
    }
    error = varve_export_cache(connection_export(connection), length, offset);
    return answer(connection, error, "prefetch", length, offset);
}

/* nbdkit 1.32 aborts when the extents of a request of nearly 4 GiB reach 4 GiB in sum
 * (CVE-2025-47711): they must end where the request ends. */
static int add_extents(const struct connection *connection, uint32_t length, uint64_t offset,
                       uint32_t flags, struct nbdkit_extents *extents)
{
    struct varve_extent run[EXTENT_RUN];
    const uint64_t end = offset + length;
    const unsigned max = flags & NBDKIT_FLAG_REQ_ONE ? 1 : EXTENTS_MAX;
    unsigned done = 0;

    while (offset < end && done < max) {
        unsigned room = max - done < EXTENT_RUN ? max - done : EXTENT_RUN;
        int count =
            varve_export_extents(connection_export(connection), end - offset, offset, run, room);

        if (count < 0) {
            return connection_refuse(connection, count, "block status", end - offset, offset);
        }
        assert(count > 0 && (unsigned)count <= room);
        for (int i = 0; i < count; i++) {
            assert(run[i].offset == offset && run[i].length <= end - offset);
            if (nbdkit_add_extent(extents, offset, run[i].length,
                                  run[i].hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0)) {
                return -1;
            }
            offset += run[i].length;
        }
        done += (unsigned)count;
    }
    return 0;
}

int request_extents(void *handle, uint32_t length, uint64_t offset, uint32_t flags,
                    struct nbdkit_extents *extents)
{
    int result;

    if (!begin()) {
        return -1;
    }
    result = add_extents(handle, length, offset, flags, extents);
    gate_leave();
    return result;
}
