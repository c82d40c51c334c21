#include "control/door_stream.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <varve/control.h>
#include <varve/error.h>

enum {
    PIECE = 64 << 10,
    PIECE_SECONDS = 120, /* for a client to take one piece */
};

struct stream {
    struct door_stream_request request; /* with copies of its texts */
    char *who, *method, *target;
    int ends[2]; /* taken from, given to */
    pthread_t thread;
    bool running;
    struct varve_control_answer answer; /* once the thread is joined */
    char line[512];                     /* its varve_error() */
};

static int give(void *opaque, const void *bytes, size_t length)
{
    const struct stream *stream = opaque;
    const char *at = bytes;
    while (length > 0) {
        ssize_t n = send(stream->ends[1], at, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return varve_fail(ECANCELED, "the client went away before it had all");
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

static void *work(void *opaque)
{
    struct stream *stream = opaque;
    varve_control_stream(stream->request.varve, stream->who, stream->method, stream->target, give,
                         stream, &stream->answer);
    snprintf(stream->line, sizeof stream->line, "%s", varve_error());
    shutdown(stream->ends[1], SHUT_WR);
    return NULL;
}

static void join(struct stream *stream)
{
    if (stream->running)
        pthread_join(stream->thread, NULL);
    stream->running = false;
}

static void stream_free(void *opaque)
{
    struct stream *stream = opaque;
    if (stream == NULL)
        return;
    if (stream->ends[0] >= 0)
        shutdown(stream->ends[0], SHUT_RDWR); /* whoever still gives finds nobody */
    join(stream);
    for (int i = 0; i < 2; i++)
        if (stream->ends[i] >= 0)
            close(stream->ends[i]);
    free(stream->answer.text);
    free(stream->who);
    free(stream->method);
    free(stream->target);
    free(stream);
}

/* The line may hold a client's text: nothing in it moves a terminal. */
static void log_broken(struct stream *stream)
{
    for (char *c = stream->line; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    fprintf(stderr, "varve: control: %s: a stream was broken off with %u: %s\n", stream->who,
            stream->answer.status, stream->line);
}

static ssize_t take(void *opaque, uint64_t position, char *bytes, size_t room)
{
    struct stream *stream = opaque;
    ssize_t n;
    (void)position;
    door_deadline_set(stream->request.deadlines, stream->request.deadline, 0);
    do
        n = recv(stream->ends[0], bytes, room, 0);
    while (n < 0 && errno == EINTR);
    door_deadline_set(stream->request.deadlines, stream->request.deadline, PIECE_SECONDS);
    if (n > 0)
        return n;
    join(stream);
    if (n == 0 && stream->answer.status == 200)
        return MHD_CONTENT_READER_END_OF_STREAM;
    log_broken(stream);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static struct stream *stream_new(const struct door_stream_request *request)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->request = *request;
    stream->ends[0] = stream->ends[1] = -1;
    stream->who = strdup(request->who);
    stream->method = strdup(request->method);
    stream->target = strdup(request->target);
    if (stream->who != NULL && stream->method != NULL && stream->target != NULL &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream->ends) == 0)
        stream->running = pthread_create(&stream->thread, NULL, work, stream) == 0;
    if (stream->running)
        return stream;
    stream_free(stream);
    return NULL;
}

struct MHD_Response *door_stream_begin(const struct door_stream_request *request,
                                       struct varve_control_answer *ret_answer)
{
    struct MHD_Response *response = NULL;
    struct stream *stream = stream_new(request);
    char first;
    *ret_answer = (struct varve_control_answer){.status = 503};
    if (stream == NULL)
        return NULL;
    if (recv(stream->ends[0], &first, 1, MSG_PEEK) == 1) {
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, take, stream, stream_free);
        if (response == NULL) {
            stream_free(stream);
            return NULL;
        }
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, request->type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        return response;
    }
    join(stream);
    (void)varve_fail(EIO, "%s", stream->line); /* for the log: now this thread's */
    *ret_answer = stream->answer;
    stream->answer.text = NULL;
    stream_free(stream);
    return NULL;
}
