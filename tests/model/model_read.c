/*
 * What a store holds, as a state of the model.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "model_state.h"
#include "store/store.h"
#include "varve/error.h"

enum { AT_ONCE = 256 << 10, EXTENTS = 7 };

/* Checks that the extents cover the range without a gap and without going past it; the pieces that
 * are not holes go into the content. */
static int read_range(struct store *store, struct store_image *open, struct model_state *state,
                      uint64_t number, uint64_t offset, size_t length, unsigned char *buffer)
{
    int rc = store_read_nowait(store, open, buffer, length, offset);

    /* as an export does for a reader in a row, past the end, too: of no consequence */
    store_read_ahead_in_row(store, open, AT_ONCE, offset + length);
    if (rc == -EAGAIN)
        rc = store_read(store, open, buffer, length, offset);
    if (rc == 0)
        model_write(state, number, offset, buffer, length);
    return rc;
}

static int read_by_extents(struct store *store, struct store_image *open, struct model_state *state,
                           uint64_t number, uint64_t size, unsigned char *buffer)
{
    struct store_extent extents[EXTENTS];
    uint64_t at = 0, some;
    int count, rc = 0;

    while (at < size && rc == 0) {
        some = size - at < AT_ONCE ? size - at : AT_ONCE;
        count = store_extents(store, open, some, at, extents, EXTENTS);
        if (count < 0)
            return count;
        if (count == 0)
            return varve_fail(EPROTO, "no extent at byte %llu of image %llu",
                              (unsigned long long)at, (unsigned long long)number);
        for (int i = 0; i < count && rc == 0; i++) {
            if (extents[i].offset != at || extents[i].length == 0 || extents[i].length > some)
                return varve_fail(
                    EPROTO, "extent of %llu bytes at %llu where %llu was asked for, of %llu",
                    (unsigned long long)extents[i].length, (unsigned long long)extents[i].offset,
                    (unsigned long long)at, (unsigned long long)some);
            if (!extents[i].hole)
                rc = read_range(store, open, state, number, at, (size_t)extents[i].length, buffer);
            at += extents[i].length;
            some -= extents[i].length;
        }
    }
    return rc;
}

static int read_image(struct store *store, struct chance *chance, struct model_state *state,
                      const struct store_image_info *info, unsigned char *buffer)
{
    struct store_image *open;
    uint64_t some;
    int rc = store_image_open(store, info->image, &open);

    if (rc < 0)
        return rc;
    if (store_image_size(store, open) != info->size)
        rc = varve_fail(EPROTO, "image %llu has two sizes", (unsigned long long)info->image);
    else if (chance_hit(chance, 1, 2))
        rc = read_by_extents(store, open, state, info->image, info->size, buffer);
    else
        for (uint64_t at = 0; at < info->size && rc == 0; at += some) {
            some = info->size - at < AT_ONCE ? info->size - at : AT_ONCE;
            rc = read_range(store, open, state, info->image, at, (size_t)some, buffer);
        }
    store_image_close(store, open);
    return rc;
}

int model_state_read(struct store *store, struct chance *chance, struct model_state *ret_state)
{
    unsigned char *buffer = malloc(AT_ONCE);
    struct store_image_info info = {0};
    int rc = 0;

    assert(buffer != NULL);
    ret_state->count = 0;
    ret_state->keeps_zeroes = false;
    while (rc == 0 && (rc = store_image_next(store, info.image, &info)) == 0) {
        if (ret_state->count == MODEL_IMAGES_MAX || info.size > MODEL_IMAGE_BYTES_MAX) {
            rc = varve_fail(EPROTO, "image %llu of %llu bytes was never made",
                            (unsigned long long)info.image, (unsigned long long)info.size);
            break;
        }
        model_create(ret_state, info.image, info.size);
        rc = read_image(store, chance, ret_state, &info, buffer);
        if (info.flags & STORE_IMAGE_FROZEN)
            model_freeze(ret_state, info.image);
    }
    free(buffer);
    if (rc == -ENOENT)
        return 0;
    model_state_drop(ret_state);
    return rc;
}
