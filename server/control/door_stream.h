/*
 * A streamed answer on its way through the door. The request works on a thread of its own and
 * writes into a socket pair, from which the connection's thread takes what it sends: so the library
 * asks for bytes and the request gives them.
 *
 *     begin: thread · wait for the first byte or the end ── refused ──> an answer as JSON
 *       └── response: take … take · end (whole), or the connection is broken off
 *
 * A client that goes away ends the request, since its next piece finds nobody.
 */
#ifndef CONTROL_DOOR_STREAM_H
#define CONTROL_DOOR_STREAM_H

#include <microhttpd.h>

#include "control/door_deadline.h"

struct varve;
struct varve_control_answer;

struct door_stream_request {
    struct varve *varve;
    const char *who, *method, *target;
    const char *type; /* Content-Type; lives for good */
    struct door_deadlines *deadlines;
    struct door_deadline *deadline; /* of the connection */
};

/* The response for a request that has begun to give bytes; the deadline runs while the client has
 * to take a piece. NULL with *ret_answer when it was refused. */
struct MHD_Response *door_stream_begin(const struct door_stream_request *request,
                                       struct varve_control_answer *ret_answer);

#endif
