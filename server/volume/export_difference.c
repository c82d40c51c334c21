/*
 * A difference as an export: what the second image has that the first has not. Blocks that both
 * refer to read as zeroes and are holes; all others hold the second image's bytes and are data,
 * also where these are zeroes. Both images are frozen, so that every answer is true for good.
 *
 * What differs is told from the maps: a block that was written again with the same bytes differs,
 * and checksums cannot say otherwise, since they depend on where a block lies.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "volume/export_seat.h"
#include "volume/volume_name.h"

enum {
    PIECES = 64,       /* differences that one comparison yields */
    BRIDGE = 64 << 10, /* unchanged bytes between two changed runs that are read along with them */
};

static int check_frozen(const struct resolved *resolved)
{
    if (resolved->frozen)
        return 0;
    if (resolved->kind == NAMED_VERSION)
        return varve_fail(EINVAL,
                          "version '%s' is not committed: a difference is between what is frozen; "
                          "commit it first",
                          resolved->ref);
    return varve_fail(EINVAL,
                      "volume '%s' can be written: a difference is between what is frozen; take a "
                      "snapshot of it ('varve snapshots create %s') and name that",
                      resolved->ref, resolved->ref);
}

static int sit_down_frozen_locked(struct varve *varve, struct catalog *catalog, const char *ref,
                                  const char *client, struct resolved *resolved, struct seat *seat)
{
    int r = volume_ref_resolve_locked(varve, catalog, ref, resolved);

    if (r == 0)
        r = check_frozen(resolved);
    return r == 0 ? export_sit_down_locked(varve, resolved, client, seat) : r;
}

int difference_open(struct varve *varve, const char *from, const char *to, const char *client,
                    struct varve_export *export)
{
    struct resolved a, b;
    struct catalog *catalog;
    int r = names_enter(varve, &catalog);

    if (r != 0)
        return r;
    r = sit_down_frozen_locked(varve, catalog, from, client, &a, &export->from);
    if (r == 0) {
        r = sit_down_frozen_locked(varve, catalog, to, client, &b, &export->seat);
        if (r != 0)
            seat_leave(varve->attachments, &export->from);
    }
    names_leave(varve);
    if (r != 0)
        return r;
    export->is_difference = true;
    export->read_only = true;
    export->size = store_image_size(varve->store, export->seat.image);
    snprintf(export->description, sizeof export->description, "difference %s..%s, %s", a.ref, b.ref,
             show_size(export->size).text);
    return 0;
}

/* Changed data among the pieces, from `*first` on, as one run that bridges small gaps. Returns the
 * pieces that it is made of, in [*first, end); end == count and *ret_length == 0 without any. */
static int next_run(const struct store_difference *pieces, int count, int *first,
                    uint64_t *ret_length)
{
    int last;

    while (*first < count && pieces[*first].what != STORE_DIFF_DATA)
        (*first)++;
    *ret_length = 0;
    if (*first == count)
        return count;
    last = *first;
    for (int i = *first; i < count; i++) {
        uint64_t end = pieces[last].offset + pieces[last].length;

        if (pieces[i].what != STORE_DIFF_DATA)
            continue;
        if (i != last && pieces[i].offset - end > BRIDGE)
            break;
        last = i;
    }
    *ret_length = pieces[last].offset + pieces[last].length - pieces[*first].offset;
    return last + 1;
}

static int read_piece(struct varve_export *export, const struct store_difference *piece,
                      uint8_t *buffer, uint64_t offset)
{
    return store_read(export->store, export->seat.image, buffer + (piece->offset - offset),
                      (size_t)piece->length, piece->offset);
}

/* Fills the part of `buffer` (which begins at `offset`) that the pieces cover. Few large reads are
 * faster than many small ones, but a block that did not change must not fail the read. */
static int read_pieces(struct varve_export *export, const struct store_difference *pieces,
                       int count, uint8_t *buffer, uint64_t offset)
{
    int r = 0;

    for (int i = 0; r == 0 && i < count;) {
        uint64_t length;
        int end = next_run(pieces, count, &i, &length);

        if (length > 0)
            r = store_read(export->store, export->seat.image, buffer + (pieces[i].offset - offset),
                           (size_t)length, pieces[i].offset);
        if (r == -EIO && end - i > 1)
            r = 0, length = 0;
        for (; r == 0 && i < end; i++)
            if (length == 0 && pieces[i].what == STORE_DIFF_DATA)
                r = read_piece(export, &pieces[i], buffer, offset);
    }
    for (int i = 0; r == 0 && i < count; i++)
        if (pieces[i].what != STORE_DIFF_DATA)
            memset(buffer + (pieces[i].offset - offset), 0, (size_t)pieces[i].length);
    return r;
}

static int compare(struct varve_export *export, uint64_t length, uint64_t offset,
                   struct store_difference *pieces, unsigned max)
{
    if (offset > export->size || length > export->size - offset)
        return varve_fail(EINVAL, "%llu bytes at %llu are past the end of the %s",
                          (unsigned long long)length, (unsigned long long)offset,
                          export->description);
    return store_compare(export->store, export->from.image, export->seat.image, length, offset,
                         pieces, max);
}

int difference_read(struct varve_export *export, void *buffer, size_t length, uint64_t offset)
{
    struct store_difference pieces[PIECES];
    uint8_t *bytes = buffer;

    while (length > 0) {
        int count = compare(export, length, offset, pieces, PIECES);
        int r = count < 0 ? count : read_pieces(export, pieces, count, bytes, offset);
        uint64_t done;

        if (r < 0)
            return r;
        done = pieces[count - 1].offset + pieces[count - 1].length - offset;
        bytes += done;
        offset += done;
        length -= (size_t)done;
    }
    return 0;
}

int difference_cache(struct varve_export *export, uint64_t length, uint64_t offset)
{
    struct store_difference pieces[PIECES];
    uint64_t end = offset + length;

    while (offset < end) {
        int count = compare(export, end - offset, offset, pieces, PIECES);
        int r = count < 0 ? count : 0;

        for (int i = 0; r == 0 && i < count; i++)
            if (pieces[i].what == STORE_DIFF_DATA)
                r = store_prefetch(export->store, export->seat.image, pieces[i].length,
                                   pieces[i].offset);
        if (r < 0)
            return r;
        offset = pieces[count - 1].offset + pieces[count - 1].length;
    }
    return 0;
}

int difference_extents(struct varve_export *export, uint64_t length, uint64_t offset,
                       struct varve_extent *ret_extents, unsigned max)
{
    struct store_difference pieces[PIECES];
    unsigned filled = 0;
    uint64_t end = offset + length;

    /* A hole that replaced data and data beside it are two pieces there and one extent here. */
    while (offset < end) {
        int count = compare(export, end - offset, offset, pieces, PIECES);

        if (count < 0)
            return filled > 0 ? (int)filled : count;
        for (int i = 0; i < count; i++) {
            bool hole = pieces[i].what == STORE_SAME;

            if (filled > 0 && ret_extents[filled - 1].hole == hole) {
                ret_extents[filled - 1].length += pieces[i].length;
            } else if (filled == max) {
                return (int)filled;
            } else {
                ret_extents[filled++] = (struct varve_extent){
                    .offset = pieces[i].offset, .length = pieces[i].length, .hole = hole};
            }
        }
        offset = pieces[count - 1].offset + pieces[count - 1].length;
    }
    return (int)filled;
}
