/*
 * The data path: a guard, the store, an errno.
 */
#include <assert.h>
#include <errno.h>
#include <varve/error.h>

#include "volume/export_seat.h"

/* What a client may be told; see export.h. */
static int for_client(int r)
{
    switch (r) {
    case 0:
    case -EPERM:
    case -EINVAL:
    case -ENOSPC:
    case -ENOMEM:
    case -ENOTSUP:
        return r;
    default:
        return r > 0 ? r : -EIO;
    }
}

/* Only after 0 export_leave must follow. */
static int export_enter(struct varve_export *export)
{
    if (export->frozen)
        return varve_fail(EPERM, "%s: nothing in it changes any more", export->description);
    if (export->read_only)
        return varve_fail(EPERM, "%s, was opened only to read", export->description);
    return lease_enter(export->varve->attachments, &export->seat);
}

static int export_leave(struct varve_export *export, int r)
{
    lease_leave(export->varve->attachments, &export->seat);
    /* Of one that this client opened before, only the store knows; and it decides in the moment in
     * which the write is to be applied. */
    if (r == -EPERM)
        r = varve_fail(EPERM, "%s, was frozen while this client had it open", export->description);
    return for_client(r);
}

static unsigned store_flags(unsigned flags)
{
    return (flags & VARVE_FUA) != 0 ? STORE_FUA : 0;
}

/* Begins what a client that reads in a row will want next. */
static void read_ahead_in_row(struct varve_export *export, size_t length, uint64_t offset)
{
    struct read_piece piece;
    bool wanted, needless;

    if (length == 0 || offset > export->size || length > export->size - offset)
        return;
    pthread_mutex_lock(&export->streams_lock);
    wanted = read_streams_note(&export->streams, offset, length, &piece);
    pthread_mutex_unlock(&export->streams_lock);
    if (!wanted)
        return;
    needless =
        store_read_ahead_in_row(export->store, export->seat.image, piece.length, piece.offset);
    pthread_mutex_lock(&export->streams_lock);
    read_streams_told(&export->streams, &piece, needless);
    pthread_mutex_unlock(&export->streams_lock);
}

int varve_export_read(struct varve_export *export, void *buffer, size_t length, uint64_t offset)
{
    if (export->is_difference)
        return for_client(difference_read(export, buffer, length, offset));
    read_ahead_in_row(export, length, offset);
    return for_client(store_read(export->store, export->seat.image, buffer, length, offset));
}

int varve_export_read_nowait(struct varve_export *export, void *buffer, size_t length,
                             uint64_t offset)
{
    int r;

    if (export->is_difference)
        return varve_export_read(export, buffer, length, offset);
    r = store_read_nowait(export->store, export->seat.image, buffer, length, offset);
    if (r == -EAGAIN)
        return r;
    read_ahead_in_row(export, length, offset);
    return for_client(r);
}

void varve_export_read_ahead(struct varve_export *export, const struct varve_ahead *ranges,
                             unsigned count)
{
    enum { PIECE = 64 };
    struct store_ahead some[PIECE];

    if (export->is_difference)
        return;
    /* in pieces: the store's ranges are a type of its own */
    for (unsigned at = 0, n; at < count; at += n) {
        for (n = 0; n < PIECE && at + n < count; n++)
            some[n] = (struct store_ahead){ranges[at + n].offset, ranges[at + n].length};
        store_read_ahead(export->store, export->seat.image, some, n);
    }
}

int varve_export_write(struct varve_export *export, const void *buffer, size_t length,
                       uint64_t offset, unsigned flags)
{
    int r = export_enter(export);

    if (r != 0)
        return r;
    r = store_write(export->store, export->seat.image, buffer, length, offset, store_flags(flags));
    return export_leave(export, r);
}

/* Trimmed ranges read as zeroes here, so both are one thing, and both are fast: no VARVE_FAST ever
 * fails. */
int varve_export_zero(struct varve_export *export, uint64_t length, uint64_t offset, unsigned flags)
{
    int r = export_enter(export);

    if (r != 0)
        return r;
    r = store_zero(export->store, export->seat.image, length, offset, store_flags(flags));
    return export_leave(export, r);
}

int varve_export_trim(struct varve_export *export, uint64_t length, uint64_t offset, unsigned flags)
{
    return varve_export_zero(export, length, offset, flags);
}

/* Of a read-only export too: a client may make durable what another wrote. */
int varve_export_flush(struct varve_export *export)
{
    return for_client(export->varve->read_only ? 0 : store_flush(export->store));
}

int varve_export_cache(struct varve_export *export, uint64_t length, uint64_t offset)
{
    if (export->is_difference)
        return for_client(difference_cache(export, length, offset));
    return for_client(store_prefetch(export->store, export->seat.image, length, offset));
}

int varve_export_extents(struct varve_export *export, uint64_t length, uint64_t offset,
                         struct varve_extent *ret_extents, unsigned max)
{
    enum { PIECE = 64 };
    struct store_extent found[PIECE];
    unsigned filled = 0;
    uint64_t end = offset + length;

    if (export->is_difference)
        return for_client(difference_extents(export, length, offset, ret_extents, max));
    /* In pieces: the store's extents are a type of its own, and the answer may be long. */
    while (filled < max && (filled == 0 || offset < end)) {
        unsigned room = max - filled < PIECE ? max - filled : PIECE;
        int count =
            store_extents(export->store, export->seat.image, end - offset, offset, found, room);

        if (count <= 0)
            return filled > 0 ? (int)filled : for_client(count);
        for (int i = 0; i < count; i++)
            ret_extents[filled + (unsigned)i] = (struct varve_extent){
                .offset = found[i].offset, .length = found[i].length, .hole = found[i].hole};
        filled += (unsigned)count;
        offset = found[count - 1].offset + found[count - 1].length;
        if (end == offset)
            break;
    }
    return (int)filled;
}
