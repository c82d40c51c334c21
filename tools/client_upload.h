/*
 * A request whose body is bytes, given while it is sent, to the door or in this process. The
 * request runs on a thread of its own and reads from a socket pair; `give` writes into the other
 * end on the caller's thread, no faster than the request takes it.
 */
#ifndef TOOLS_CLIENT_UPLOAD_H
#define TOOLS_CLIENT_UPLOAD_H

#include <jansson.h>

struct invocation;

/* Writes the body to the descriptor, which is not its own to close: a write of client_upload_write
 * fails when nobody wants more. 0 once all is written, or -errno with a line: then the request is
 * broken off. */
typedef int (*client_upload_give)(void *opaque, int fd);

/* As client_request_long: shows progress, and a signal cancels. */
int client_upload(const struct invocation *invocation, const char *method, const char *target,
                  client_upload_give give, void *opaque, json_t **ret_answer);

/* All of the bytes; -ECANCELED after a signal, -EPIPE when the request ended. */
int client_upload_write(int fd, const void *bytes, size_t length);

#endif
