/*
 * The control door: what programs and people may ask of a store, and the socket they ask through.
 *
 * One table of requests serves both callers. varve_control_request answers one request in this
 * process; the door (varve_control_start) takes requests as HTTP with JSON on a Unix socket and
 * answers each through the same function. GET changes nothing; a store that was opened read-only
 * can answer every GET.
 *
 * Requests are named by method and target: a path below /v1, with arguments in the query or in a
 * JSON object as the body, never both for the same name. `GET /v1` lists all of them with their
 * parameters. Sizes are bytes, as integers. An answer is a JSON object; a refusal is
 *
 *   {"error": {"code": "ENOENT", "message": "there is no volume 'demo'"}}
 *
 * The content of files is streamed as a tar archive instead, and a manifest as lines of JSON:
 * through the door, in chunks. When that fails on the way, the connection ends without the last
 * chunk, and what came is not whole.
 *
 * Files are put as such an archive in the body, of any length. They are taken at the pace at which
 * they can be written, and when the connection ends before the body does, nothing was changed.
 *
 * Every request also takes "operation", a token of the caller's own making of up to 63 bytes. While
 * the request runs, others ask how far it is (GET /v1/operations/TOKEN) and cancel it (DELETE): it
 * is then refused with ECANCELED, and what it was to change is as it was. A caller that vanishes
 * cancels nothing: the request goes on to its end.
 *
 * What will hurt: whoever can connect to the socket may do everything, so it is made with mode
 * 0600.
 *
 * Threads: varve_control_request may be called from any number of threads at once.
 */
#ifndef VARVE_CONTROL_H
#define VARVE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct varve;
struct varve_control;

/* The name of the door's socket in the store's directory. */
#define VARVE_CONTROL_SOCKET "control.sock"

/* The longest body that is taken, bytes; of archives there is no longest. */
enum { VARVE_CONTROL_BODY_MAX = 64 << 10 };

struct varve_control_answer {
    unsigned status; /* as HTTP has it: 200, or 400 and above with an error object in the text */
    char *text;      /* JSON, terminated; NULL only when memory ran out */
    size_t length;   /* of text */
};

/* Answers one request. `body` holds `length` bytes of JSON, or nothing. `who` names the user who
 * asks, for the history. The caller frees the text with free(). */
void varve_control_request(struct varve *varve, const char *who, const char *method,
                           const char *target, const char *body, size_t length,
                           struct varve_control_answer *ret_answer);

/* Takes the pieces of a streamed answer, in their order: 0, or -errno with a line to stop it. */
typedef int (*varve_control_sink)(void *opaque, const void *bytes, size_t length);

/* Answers one request of those whose answer is bytes instead of an object (see the beginning):
 * they are given to `sink` on this thread. The answer's text is then NULL and its status 200; a
 * refusal has a text as above, also one that comes after a part was given. What was given is whole
 * only with status 200. */
void varve_control_stream(struct varve *varve, const char *who, const char *method,
                          const char *target, varve_control_sink sink, void *opaque,
                          struct varve_control_answer *ret_answer);

/* What the bytes are, as HTTP's Content-Type has it, when the request is one of these; else NULL.
 */
const char *varve_control_stream_type(const char *method, const char *target);

/* Gives the next bytes of a request's body: how many (at most `room`), 0 at the end, or -errno with
 * a line to break the request off. */
typedef ssize_t (*varve_control_source)(void *opaque, void *bytes, size_t room);

/* Answers one request of those whose body is bytes instead of an object (files that are put): it
 * takes them from `source` on this thread, as many as it wants at its own pace, and the arguments
 * from the query. Otherwise as varve_control_request. What was not taken to its end has changed
 * nothing. */
void varve_control_upload(struct varve *varve, const char *who, const char *method,
                          const char *target, varve_control_source source, void *opaque,
                          struct varve_control_answer *ret_answer);

/* True when the request is one of these. */
bool varve_control_is_upload(const char *method, const char *target);

/* Opens the door on a thread of its own. `socket_path` NULL: VARVE_CONTROL_SOCKET in the store's
 * directory. The socket of a dead server is replaced; one that answers is not (-EBUSY). */
int varve_control_start(struct varve *varve, const char *socket_path,
                        struct varve_control **ret_control);

/* Closes the door: no new requests; cancels what runs long, and waits for those that are running.
 * Takes NULL. Call it before varve_close. */
void varve_control_stop(struct varve_control *control);

#endif
