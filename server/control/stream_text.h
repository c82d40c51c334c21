/* Text on its way into a stream, gathered into pieces of some size. Memory is bounded, whatever is
 * sent. */
#ifndef CONTROL_STREAM_TEXT_H
#define CONTROL_STREAM_TEXT_H

#include <jansson.h>
#include <stddef.h>

#include "control/request.h"

struct stream_text {
    const struct stream_sink *sink;
    size_t fill;
    char buffer[64 << 10];
};

/* Nothing reaches the sink before the buffer is full, so that what fails soon is still a refusal.
 * What the sink returns when it is negative, or -ENOMEM. */
int stream_text_add(struct stream_text *text, const char *bytes, size_t length);
/* The object as compact JSON; takes it. NULL: there was no memory for it. */
int stream_text_json(struct stream_text *text, json_t *object);
/* Sends the rest. */
int stream_text_flush(struct stream_text *text);

#endif
