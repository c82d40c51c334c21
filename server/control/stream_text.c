#include "control/stream_text.h"

#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

int stream_text_flush(struct stream_text *text)
{
    const size_t fill = text->fill;
    text->fill = 0;
    return fill > 0 ? text->sink->take(text->sink->opaque, text->buffer, fill) : 0;
}

int stream_text_add(struct stream_text *text, const char *bytes, size_t length)
{
    int r = 0;
    if (length > sizeof text->buffer - text->fill)
        r = stream_text_flush(text);
    if (r == 0 && length > sizeof text->buffer)
        return text->sink->take(text->sink->opaque, bytes, length);
    if (r == 0) {
        memcpy(text->buffer + text->fill, bytes, length);
        text->fill += length;
    }
    return r;
}

int stream_text_json(struct stream_text *text, json_t *object)
{
    char *bytes = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    int r =
        bytes == NULL ? varve_no_memory("an answer") : stream_text_add(text, bytes, strlen(bytes));
    json_decref(object);
    free(bytes);
    return r;
}
