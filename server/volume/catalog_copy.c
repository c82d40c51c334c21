#include "volume/catalog_copy.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "volume/copy_header.h"
#include "volume/image_label.h"
#include "volume/served_store.h"

_Static_assert((int)COPY_IDENTITY_BYTES == (int)CATALOG_IDENTITY_BYTES, "one identity");

enum { RUN_MAX = 256 }; /* pieces in one read or write: 1 MiB */

struct copy_slot {
    uint64_t image;        /* 0: not there yet */
    uint64_t size, mapped; /* bytes */
};

struct catalog_copy {
    struct copy_slot slots[2];
    unsigned newest;            /* the slot that holds `bytes`, if state.number is not 0 */
    struct catalog_state state; /* of the newest */
    unsigned char *bytes;
    size_t length;
    unsigned char *behind; /* for each piece of `bytes`, 1 where the other slot differs; NULL: the
                              other slot may hold anything */
    bool failed;           /* the last follow, which was noted */
    _Atomic uint64_t size, mapped; /* of both, for whoever asks without the lock */
};

static size_t pieces_of(size_t length)
{
    return (length + COPY_PIECE - 1) / COPY_PIECE;
}

static size_t piece_length(size_t length, size_t piece)
{
    size_t rest = length - piece * COPY_PIECE;

    return rest < COPY_PIECE ? rest : COPY_PIECE;
}

void catalog_copy_free(struct catalog_copy *copy)
{
    if (copy == NULL)
        return;
    catalog_bytes_free(copy->bytes);
    free(copy->behind);
    free(copy);
}

void catalog_copy_get(const struct catalog_copy *copy, struct catalog_state *ret_state,
                      const unsigned char **ret_bytes, size_t *ret_length)
{
    *ret_state = copy->state;
    *ret_bytes = copy->bytes;
    *ret_length = copy->length;
}

uint64_t catalog_copy_size(const struct catalog_copy *copy)
{
    return copy == NULL ? 0 : atomic_load(&copy->size);
}

uint64_t catalog_copy_mapped(const struct catalog_copy *copy)
{
    return copy == NULL ? 0 : atomic_load(&copy->mapped);
}

static void count_sizes(struct catalog_copy *copy)
{
    atomic_store(&copy->size, copy->slots[0].size + copy->slots[1].size);
    atomic_store(&copy->mapped, copy->slots[0].mapped + copy->slots[1].mapped);
}

/* --- reading --------------------------------------------------------------------------------- */

static int read_content(struct varve *varve, struct store_image *image, unsigned char *bytes,
                        size_t length)
{
    const size_t step = (size_t)RUN_MAX * COPY_PIECE;
    int r = 0;

    for (size_t at = 0; r == 0 && at < length; at += step)
        r = store_read(varve->store, image, bytes + at, length - at < step ? length - at : step,
                       COPY_PIECE + at);
    return r;
}

/* Takes the content of an image that is whole and newer than what is there. One that cannot be
 * read, or is not whole, is passed over: a crash leaves such a one, and the other is then whole. */
static int take_if_newer(struct varve *varve, struct catalog_copy *copy, unsigned slot,
                         struct store_image *image)
{
    static const char what[] = "the copy of the catalog";
    uint8_t *block = malloc(COPY_PIECE);
    struct copy_header header;
    unsigned char *bytes;
    int r;

    if (block == NULL)
        return varve_no_memory(what);
    r = store_read(varve->store, image, block, COPY_PIECE, 0);
    if (r != 0 || copy_header_decode(block, &header) != NULL ||
        header.number <= copy->state.number ||
        store_image_size(varve->store, image) < COPY_PIECE + header.length) {
        free(block);
        return r == -ENOMEM ? r : 0;
    }
    free(block);
    bytes = catalog_bytes_new((size_t)header.length);
    if (bytes == NULL)
        return varve_no_memory(what);
    r = read_content(varve, image, bytes, (size_t)header.length);
    if (r != 0 || crc32c(0, bytes, (size_t)header.length) != header.crc) {
        catalog_bytes_free(bytes);
        return r == -ENOMEM ? r : 0;
    }
    catalog_bytes_free(copy->bytes);
    copy->bytes = bytes;
    copy->length = (size_t)header.length;
    copy->newest = slot;
    copy->state.number = header.number;
    memcpy(copy->state.identity, header.identity, sizeof header.identity);
    return 0;
}

static int delete_third(struct varve *varve, uint64_t image)
{
    return varve->read_only ? 0 : store_image_delete(varve->store, image);
}

/* The image goes into a slot; when both are taken, into the one that is not the newest. */
static int add_image(struct varve *varve, struct catalog_copy *copy,
                     const struct store_image_info *info)
{
    const unsigned slot = copy->slots[0].image == 0   ? 0
                          : copy->slots[1].image == 0 ? 1
                                                      : 1 - copy->newest;
    const struct copy_slot before = copy->slots[slot];
    struct store_image *image = NULL;
    int r = store_image_open(varve->store, info->image, &image);

    if (r != 0)
        return r;
    copy->slots[slot] =
        (struct copy_slot){.image = info->image, .size = info->size, .mapped = info->mapped};
    r = take_if_newer(varve, copy, slot, image);
    store_image_close(varve->store, image);
    return r == 0 && before.image != 0 ? delete_third(varve, before.image) : r;
}

int catalog_copy_load(struct varve *varve, struct catalog_copy **ret_copy)
{
    struct catalog_copy *copy = calloc(1, sizeof *copy);
    struct store_image_info info = {.image = 0};
    int r = 0;

    if (copy == NULL)
        return varve_no_memory("the copy of the catalog");
    while (r == 0 && (r = store_image_next(varve->store, info.image, &info)) == 0) {
        enum label_state state;
        struct image_label label;

        if (image_label_parse(info.label, &state, &label) && state == LABEL_LIVE &&
            label.kind == LABEL_CATALOG)
            r = add_image(varve, copy, &info);
    }
    if (r != -ENOENT) {
        catalog_copy_free(copy);
        return r;
    }
    count_sizes(copy);
    *ret_copy = copy;
    return 0;
}

/* --- following ------------------------------------------------------------------------------- */

/* What is to be written, and what it will have come to. */
struct renewal {
    struct varve *varve;
    struct catalog_copy *copy;
    struct catalog_state state;
    unsigned char *bytes;
    size_t length;
    unsigned char *differs; /* for each piece of `bytes`: from the newest copy */
    char label[IMAGE_LABEL_SIZE];
};

static void compare(struct renewal *renewal)
{
    const struct catalog_copy *copy = renewal->copy;

    for (size_t i = 0; i < pieces_of(renewal->length); i++) {
        const size_t length = piece_length(renewal->length, i), at = i * COPY_PIECE;

        renewal->differs[i] = at + length > copy->length ||
                              memcmp(renewal->bytes + at, copy->bytes + at, length) != 0;
    }
}

static bool must_write(const struct renewal *renewal, size_t piece)
{
    const struct catalog_copy *copy = renewal->copy;

    return renewal->differs[piece] != 0 || copy->behind == NULL || copy->behind[piece] != 0;
}

static int write_pieces(struct renewal *renewal, struct store_image *image)
{
    const size_t pieces = pieces_of(renewal->length);
    int r = 0;

    for (size_t i = 0, end; r == 0 && i < pieces; i = end + 1) {
        size_t length;

        for (end = i; end < pieces && end - i < RUN_MAX && must_write(renewal, end); end++)
            ;
        if (end == i)
            continue;
        length = (end - i) * COPY_PIECE;
        if (length > renewal->length - i * COPY_PIECE)
            length = renewal->length - i * COPY_PIECE;
        r = store_write(renewal->varve->store, image, renewal->bytes + i * COPY_PIECE, length,
                        (uint64_t)(1 + i) * COPY_PIECE, 0);
        /* The run ended because it was full: its end is not looked at yet. */
        if (end - i == RUN_MAX)
            end--;
    }
    return r;
}

static int write_header(struct renewal *renewal, struct store_image *image)
{
    struct copy_header header = {.number = renewal->state.number,
                                 .length = renewal->length,
                                 .crc = crc32c(0, renewal->bytes, renewal->length)};
    uint8_t *block = malloc(COPY_PIECE);
    int r;

    if (block == NULL)
        return varve_no_memory("the copy of the catalog");
    memcpy(header.identity, renewal->state.identity, sizeof header.identity);
    copy_header_encode(&header, block);
    r = store_write(renewal->varve->store, image, block, COPY_PIECE, 0, 0);
    free(block);
    return r;
}

static int prepare_slot(struct renewal *renewal, struct copy_slot *slot)
{
    struct store *store = renewal->varve->store;
    const uint64_t size = COPY_PIECE * (1 + (uint64_t)pieces_of(renewal->length));
    int r = 0;

    if (slot->image == 0)
        r = store_image_create(store, size, 0, renewal->label, &slot->image);
    else if (slot->size != size)
        r = store_image_resize(store, slot->image, size);
    if (r == 0)
        slot->size = size;
    else if (slot->size == 0)
        slot->image = 0;
    return r;
}

/* The image is whole when this has returned 0, and is known to be by its header; the label is only
 * for people. */
static int write_slot(struct renewal *renewal, struct copy_slot *slot)
{
    struct store *store = renewal->varve->store;
    struct store_image *image = NULL;
    struct store_image_info info;
    int r = prepare_slot(renewal, slot);

    if (r == 0)
        r = store_image_open(store, slot->image, &image);
    if (r != 0)
        return r;
    r = write_pieces(renewal, image);
    if (r == 0)
        r = write_header(renewal, image);
    store_image_close(store, image);
    if (store_image_stat(store, slot->image, &info) == 0)
        slot->mapped = info.mapped;
    count_sizes(renewal->copy);
    if (r == 0)
        r = store_image_set_label(store, slot->image, renewal->label);
    if (r == 0)
        r = store_image_change_flags(store, slot->image, 0, STORE_IMAGE_INCOMPLETE);
    return r == 0 ? store_flush(store) : r;
}

static int renew(struct renewal *renewal)
{
    struct catalog_copy *copy = renewal->copy;
    const struct image_label label = {.kind = LABEL_CATALOG, .number = renewal->state.number};
    const unsigned target = copy->state.number == 0 ? 0 : 1 - copy->newest;
    int r;

    image_label_format(LABEL_LIVE, &label, renewal->label);
    renewal->differs = calloc(1, pieces_of(renewal->length));
    if (renewal->differs == NULL)
        return varve_no_memory("the copy of the catalog");
    compare(renewal);
    /* A piece that lies beyond the old content differs: `behind` is not asked about it. */
    r = write_slot(renewal, &copy->slots[target]);
    if (r != 0) {
        free(copy->behind);
        copy->behind = NULL;
        return r;
    }
    free(copy->behind);
    copy->behind = copy->state.number == 0 ? NULL : renewal->differs;
    if (copy->behind != NULL)
        renewal->differs = NULL;
    catalog_bytes_free(copy->bytes);
    copy->bytes = renewal->bytes;
    renewal->bytes = NULL;
    copy->length = renewal->length;
    copy->state = renewal->state;
    copy->newest = target;
    return 0;
}

static bool is_current(const struct catalog_copy *copy, struct catalog *catalog)
{
    struct catalog_state state;

    catalog_get_state(catalog, &state);
    return state.number == copy->state.number &&
           memcmp(state.identity, copy->state.identity, sizeof state.identity) == 0;
}

/* A new catalog holds nothing yet: a store that is only opened stays as it is. */
static bool is_untouched(struct catalog *catalog)
{
    struct catalog_state state;

    catalog_get_state(catalog, &state);
    return state.number == 1;
}

void catalog_copy_follow(struct varve *varve, struct catalog *catalog)
{
    struct catalog_copy *copy = varve->copy;
    struct renewal renewal = {.varve = varve, .copy = copy};
    char line[512];
    int r;

    assert(copy != NULL && !varve->read_only);
    /* In doubt, it may show a change that the file never gets, under the number before it. */
    if (catalog_is_in_doubt(catalog) || is_current(copy, catalog) || is_untouched(catalog))
        return;
    snprintf(line, sizeof line, "%s", varve_error());
    r = catalog_read_bytes(catalog, &renewal.state, &renewal.bytes, &renewal.length);
    if (r == 0 && renewal.length > COPY_LENGTH_MAX)
        r = varve_fail(EFBIG, "it has %zu bytes, and at most 1 GiB are copied", renewal.length);
    if (r == 0)
        r = renew(&renewal);
    if (r != 0 && !copy->failed)
        note(varve,
             "the copy of the catalog in the store could not be renewed (%s); it is tried again "
             "with the next command",
             varve_error());
    copy->failed = r != 0;
    free(renewal.differs);
    catalog_bytes_free(renewal.bytes);
    if (r != 0)
        (void)varve_fail(EIO, "%s", line);
}
