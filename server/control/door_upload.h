/*
 * A body that is bytes of any length on its way through the door. The request works on a thread of
 * its own and asks for bytes; the connection's thread hands it each piece that comes and waits
 * until it is taken. So a client sends no faster than the request works, and nothing is gathered.
 *
 *     begin: thread · wait until it asks for bytes, or ends ── refused before any byte ──> answer
 *       └── piece … piece ── all came ──> end: the answer
 *             └── the connection broke ──> abandon: the request fails, and changes nothing
 *
 * Threads: all functions belong to the connection's.
 */
#ifndef CONTROL_DOOR_UPLOAD_H
#define CONTROL_DOOR_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>

struct varve;
struct varve_control_answer;
struct door_upload;

/* NULL without a thread or memory for it. The texts are copied. */
struct door_upload *door_upload_begin(struct varve *varve, const char *who, const char *method,
                                      const char *target);
/* Whether the request came to its end and takes no more: then door_upload_end may be called. */
bool door_upload_is_over(struct door_upload *upload);
/* The next bytes of the body; thrown away once it is over. */
void door_upload_piece(struct door_upload *upload, const void *bytes, size_t length);
/* The body is whole. Waits for the answer, whose text is the caller's, and sets varve_error(). */
void door_upload_end(struct door_upload *upload, struct varve_control_answer *ret_answer);
/* Frees it; without door_upload_end before, the body broke off. Takes NULL. */
void door_upload_free(struct door_upload *upload);

#endif
