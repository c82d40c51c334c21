#include "client_stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <varve/error.h>

#include "client.h"
#include "client_door.h"
#include "client_watch.h"
#include "command.h"

struct stream {
    struct client_call call;
    struct client_answer answer;
    int ends[2]; /* read from, written to */
    int code;    /* of the request */
    bool left;   /* the reader wanted no more */
};

/* 0, or a negative errno with a line when nobody reads any more. */
static int give(void *opaque, const void *bytes, size_t length)
{
    struct stream *stream = opaque;
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = send(stream->ends[1], at, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            stream->left = true;
            return varve_fail(ECANCELED, "nobody reads the answer");
        }
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

static void *work(void *opaque)
{
    struct stream *stream = opaque;
    stream->code = client_perform(&stream->call, &stream->answer);
    if (stream->code == EXIT_DONE && stream->answer.status >= 400 && !stream->left)
        stream->code = client_refused(&stream->answer);
    else
        json_decref(stream->answer.json);
    shutdown(stream->ends[1], SHUT_WR);
    return NULL;
}

/* Reads what the taker left, for the request's own end. */
static void drain(int fd)
{
    char bytes[4096];
    while (recv(fd, bytes, sizeof bytes, 0) > 0) {
    }
}

static int run(struct stream *stream, client_stream_take take, void *opaque)
{
    pthread_t thread;
    char line[1024];
    int error = pthread_create(&thread, NULL, work, stream);
    if (error != 0)
        return command_fail(EXIT_FAILED, "cannot start a thread: %s", strerror(error));
    varve_error_clear();
    int r = take(opaque, stream->ends[0]);
    snprintf(line, sizeof line, "%s", varve_error());
    if (r == 0)
        drain(stream->ends[0]);
    shutdown(stream->ends[0], SHUT_RDWR);
    pthread_join(thread, NULL);
    if (stream->code != EXIT_DONE && !stream->left)
        return stream->code;
    if (r == 0 && stream->left)
        r = varve_fail(EIO, "the answer broke off");
    return r < 0 ? command_fail(exit_code_of(r), "%s", line[0] != '\0' ? line : strerror(-r))
                 : EXIT_DONE;
}

int client_stream(const struct invocation *invocation, const char *target, client_stream_take take,
                  void *opaque)
{
    char token[CLIENT_TOKEN], *tracked = NULL;
    int code = client_track(target, token, &tracked);
    if (code != EXIT_DONE)
        return code;
    struct stream stream = {.call = {.store = invocation->store,
                                     .method = "GET",
                                     .target = tracked,
                                     .endless = true,
                                     .sink = give,
                                     .sink_opaque = &stream}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream.ends) < 0) {
        code = command_fail(EXIT_FAILED, "cannot make a socket pair: %s", strerror(errno));
    } else {
        struct client_watch *watch =
            client_watch_begin(invocation->store, token, invocation->progress);
        code = run(&stream, take, opaque);
        client_watch_end(watch);
        close(stream.ends[0]);
        close(stream.ends[1]);
    }
    free(tracked);
    return code;
}
