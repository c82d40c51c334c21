/* The two ways of client.c. Both give the answer's status and parsed text. */
#ifndef TOOLS_CLIENT_DOOR_H
#define TOOLS_CLIENT_DOOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A request on its way. */
struct client_call {
    const char *store, *method, *target;
    const char *body; /* JSON text, or NULL */
    bool endless;     /* it may take any time: the door is asked something short before */
    bool quiet;       /* print nothing on failure */
    /* NULL, or takes the pieces of an answer that is bytes and no object; such an answer has no
     * json. A negative return ends the request, silently. */
    int (*sink)(void *opaque, const void *bytes, size_t length);
    void *sink_opaque;
    /* NULL, or gives the pieces of a body that is bytes and no object: 0 at its end. A negative
     * return breaks the request off, silently. Never asked twice for the same bytes. */
    ssize_t (*source)(void *opaque, void *bytes, size_t room);
    void *source_opaque;
};

struct client_answer {
    unsigned status;
    json_t *json;
};

/* Through the store's door. Returns an exit code; EXIT_NO_DOOR, silently, when no server listens
 * there. */
enum { EXIT_NO_DOOR = 256 };
int client_door(const struct client_call *call, struct client_answer *ret_answer);

/* One way or the other. */
int client_perform(const struct client_call *call, struct client_answer *ret_answer);
/* Prints why an answer with a status of 400 or more refuses, and returns the code. Takes the json.
 */
int client_refused(struct client_answer *answer);

/* In this process. Returns an exit code; EXIT_HELD, silently, when another process holds the store;
 * varve_error() names it. */
enum { EXIT_HELD = 257 };
int client_local(const struct client_call *call, struct client_answer *ret_answer);

#endif
