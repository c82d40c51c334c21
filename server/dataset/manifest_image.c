/* Reading manifests. */
#include "dataset/manifest_image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

enum { BUFFER = 1 << 18 };

struct manifest_reader {
    struct store *store;
    struct store_image *image;
    uint64_t number, size, offset; /* offset: of what is read next */
    size_t at, fill;               /* of buffer */
    struct manifest_line line;
    char buffer[BUFFER];
};

static int bad(const struct manifest_reader *reader)
{
    return varve_fail(EIO, "the list of files in image %" PRIu64 " is damaged at byte %" PRIu64,
                      reader->number, reader->offset - (reader->fill - reader->at));
}

/* More bytes behind those that are left. */
static int refill(struct manifest_reader *reader)
{
    uint64_t left = reader->size - reader->offset;
    size_t room;
    int r;

    memmove(reader->buffer, reader->buffer + reader->at, reader->fill - reader->at);
    reader->fill -= reader->at;
    reader->at = 0;
    room = BUFFER - reader->fill;
    if (left < room)
        room = (size_t)left;
    r = room == 0 ? 0
                  : store_read(reader->store, reader->image, reader->buffer + reader->fill, room,
                               reader->offset);
    if (r == 0) {
        reader->fill += room;
        reader->offset += room;
    }
    return r;
}

int manifest_open(struct store *store, uint64_t image, struct manifest_reader **ret_reader)
{
    const size_t head = sizeof MANIFEST_HEAD - 1;
    struct manifest_reader *reader = calloc(1, sizeof *reader);
    int r;

    if (reader == NULL)
        return varve_no_memory("a list of files");
    reader->store = store;
    reader->number = image;
    r = store_image_open(store, image, &reader->image);
    if (r == 0) {
        reader->size = store_image_size(store, reader->image);
        r = refill(reader);
    }
    if (r == 0 && (reader->fill < head || memcmp(reader->buffer, MANIFEST_HEAD, head) != 0))
        r = bad(reader);
    reader->at = head;
    if (r != 0) {
        manifest_close(reader);
        return r;
    }
    *ret_reader = reader;
    return 0;
}

void manifest_close(struct manifest_reader *reader)
{
    if (reader != NULL && reader->image != NULL)
        store_image_close(reader->store, reader->image);
    free(reader);
}

int manifest_next(struct manifest_reader *reader, const struct manifest_line **ret_line)
{
    char *end, *begin;
    int r = 0;

    if (reader->fill - reader->at < MANIFEST_LINE_MAX && reader->offset < reader->size)
        r = refill(reader);
    if (r != 0)
        return r;
    begin = reader->buffer + reader->at;
    *ret_line = NULL;
    if (reader->at == reader->fill || *begin == '\0')
        return 0;
    end = memchr(begin, '\n', reader->fill - reader->at);
    if (end == NULL)
        return bad(reader);
    *end = '\0';
    if (strlen(begin) != (size_t)(end - begin) || !manifest_line_parse(begin, &reader->line))
        return bad(reader);
    reader->at += (size_t)(end - begin) + 1;
    *ret_line = &reader->line;
    return 0;
}

static int merge(struct manifest_reader *from, struct manifest_reader *to, manifest_change change,
                 void *opaque, struct manifest_difference *counts)
{
    const struct manifest_line *a, *b;
    int r = manifest_next(from, &a);

    if (r == 0)
        r = manifest_next(to, &b);
    while (r == 0 && (a != NULL || b != NULL)) {
        int order = a == NULL ? 1 : b == NULL ? -1 : manifest_path_compare(a->path, b->path);
        bool differs = order != 0 || manifest_line_differs(a, b);

        counts->added += order > 0;
        counts->removed += order < 0;
        counts->changed += order == 0 && differs;
        if (differs && change != NULL)
            r = change(opaque, order <= 0 ? a : NULL, order >= 0 ? b : NULL);
        if (r == 0 && order <= 0)
            r = manifest_next(from, &a);
        if (r == 0 && order >= 0)
            r = manifest_next(to, &b);
    }
    return r;
}

int manifest_compare(struct store *store, uint64_t from, uint64_t to, manifest_change change,
                     void *opaque, struct manifest_difference *ret_difference)
{
    struct manifest_reader *one = NULL, *two = NULL;
    struct manifest_difference counts = {0, 0, 0};
    int r = manifest_open(store, from, &one);

    if (r == 0)
        r = manifest_open(store, to, &two);
    if (r == 0)
        r = merge(one, two, change, opaque, &counts);
    manifest_close(one);
    manifest_close(two);
    if (r == 0)
        *ret_difference = counts;
    return r;
}
