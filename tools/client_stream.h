/*
 * A request whose answer is bytes: read while it comes, from the door or from this process. The
 * request runs on a thread of its own and writes into a socket pair; `take` reads the other end on
 * the caller's thread, and may leave the rest unread.
 */
#ifndef TOOLS_CLIENT_STREAM_H
#define TOOLS_CLIENT_STREAM_H

struct invocation;

/* Reads the stream from the descriptor, which is not its own to close. 0, or -errno with a line. */
typedef int (*client_stream_take)(void *opaque, int fd);

/* As client_request_long: shows progress, and a signal cancels. EXIT_DONE only when the whole
 * answer was given and `take` returned 0; otherwise one sentence is printed, of what failed first.
 */
int client_stream(const struct invocation *invocation, const char *target, client_stream_take take,
                  void *opaque);

#endif
