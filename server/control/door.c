/*
 * The door: HTTP on a Unix socket. The library gives each connection a thread, so a long check
 * keeps nobody waiting; how many there are, how long their requests may be and how long they may
 * take is bounded here. Every answer ends its connection.
 */
#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <varve/control.h>
#include <varve/error.h>
#include <varve/progress.h>
#include <varve/server.h>

#include "control/door_deadline.h"
#include "control/door_socket.h"
#include "control/door_stream.h"
#include "control/door_upload.h"

enum {
    CONNECTIONS_MAX = 256,
    HEADER_MEMORY = 32 << 10, /* bytes for a connection's request line and headers */
    SILENCE_SECONDS = 10,
    REQUEST_SECONDS = 15, /* from the connection to the request's last byte */
    PIECE_SECONDS = 120,  /* for a client to send a piece of a body that is bytes */
    ANSWER_SECONDS = 60,  /* from the answer's first byte to its last */
    LOGGED_TARGET_MAX = 200,
    LOGGED_MAX = 600,
};

struct varve_control {
    struct varve *varve;
    struct MHD_Daemon *daemon;
    struct door_socket socket;
    struct door_deadlines *deadlines;
};

/* One request while it comes in. */
struct visit {
    char *target;
    bool begun;
    bool too_long;
    size_t length;
    char *body;                 /* VARVE_CONTROL_BODY_MAX bytes once the first came */
    struct door_upload *upload; /* instead of a body in memory */
    bool answered;              /* before the body's end, past the library */
};

static void *visit_begin(void *opaque, const char *uri, struct MHD_Connection *connection)
{
    (void)opaque;
    (void)connection;
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit != NULL)
        visit->target = strdup(uri);
    return visit;
}

static void visit_end(void *opaque, struct MHD_Connection *connection, void **request,
                      enum MHD_RequestTerminationCode why)
{
    (void)opaque;
    (void)connection;
    (void)why;
    struct visit *visit = *request;
    if (visit == NULL)
        return;
    door_upload_free(visit->upload);
    free(visit->target);
    free(visit->body);
    free(visit);
    *request = NULL;
}

/* Keeps the body's next bytes. What is too long is read to its end and thrown away, since the
 * library answers only then; the deadline bounds it. */
static enum MHD_Result visit_body(struct visit *visit, const char *bytes, size_t length)
{
    if (visit->too_long || length > VARVE_CONTROL_BODY_MAX - visit->length) {
        visit->too_long = true;
        return MHD_YES;
    }
    if (visit->body == NULL)
        visit->body = malloc(VARVE_CONTROL_BODY_MAX);
    if (visit->body == NULL)
        return MHD_NO;
    memcpy(visit->body + visit->length, bytes, length);
    visit->length += length;
    return MHD_YES;
}

/* Changes and refusals leave a line; a refusal says why. The target is the client's text: the line
 * is cut, and nothing in it moves a terminal. */
static void log_request(const char *who, const char *method, const char *target, unsigned status)
{
    if (strcmp(method, "GET") == 0 && status < 400)
        return;
    char line[LOGGED_MAX + 1];
    snprintf(line, sizeof line, "%s: %.16s %.*s: %u%s%s", who, method, LOGGED_TARGET_MAX, target,
             status, status >= 400 ? ": " : "", status >= 400 ? varve_error() : "");
    for (char *c = line; *c != '\0'; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    fprintf(stderr, "varve: control: %s\n", line);
}

/* Takes the text. */
static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status, char *text,
                                 size_t length)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result r = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result send_too_long(struct MHD_Connection *connection)
{
    char *text = NULL;
    int n = asprintf(&text,
                     "{\"error\":{\"code\":\"EMSGSIZE\",\"message\":\"the request's body is longer "
                     "than %d bytes\"}}",
                     VARVE_CONTROL_BODY_MAX);
    return n < 0 ? MHD_NO : send_text(connection, MHD_HTTP_CONTENT_TOO_LARGE, text, (size_t)n);
}

static struct door_deadline *deadline_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void name_peer(struct MHD_Connection *connection, char *who, size_t size)
{
    door_socket_peer(
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, who,
        size);
}

/* The response of a request that gives bytes, or NULL with its refusal. */
static struct MHD_Response *answer_stream(struct varve_control *control,
                                          struct MHD_Connection *connection, const char *who,
                                          const char *method, const char *type,
                                          const struct visit *visit,
                                          struct varve_control_answer *ret_given)
{
    const struct door_stream_request request = {.varve = control->varve,
                                                .who = who,
                                                .method = method,
                                                .target = visit->target,
                                                .type = type,
                                                .deadlines = control->deadlines,
                                                .deadline = deadline_of(connection)};
    struct MHD_Response *response = door_stream_begin(&request, ret_given);
    const unsigned silence = 0; /* any: the deadline of each piece is the limit */
    if (response != NULL)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, silence);
    return response;
}

static enum MHD_Result answer(struct varve_control *control, struct MHD_Connection *connection,
                              const char *method, const struct visit *visit)
{
    char who[64];
    name_peer(connection, who, sizeof who);
    struct varve_control_answer given;
    const char *type = visit->length == 0 ? varve_control_stream_type(method, visit->target) : NULL;
    if (type != NULL) {
        struct MHD_Response *response =
            answer_stream(control, connection, who, method, type, visit, &given);
        if (response != NULL) {
            enum MHD_Result r = MHD_queue_response(connection, MHD_HTTP_OK, response);
            MHD_destroy_response(response);
            return r;
        }
    } else {
        varve_control_request(control->varve, who, method, visit->target, visit->body,
                              visit->length, &given);
    }
    log_request(who, method, visit->target, given.status);
    return given.text != NULL ? send_text(connection, given.status, given.text, given.length)
                              : MHD_NO;
}

/* The end of a request whose body is bytes: all of them came, or it wants no more. */
static enum MHD_Result answer_upload(struct MHD_Connection *connection, const char *method,
                                     struct visit *visit)
{
    char who[64];
    struct varve_control_answer given = {.text = NULL};
    name_peer(connection, who, sizeof who);
    door_upload_end(visit->upload, &given);
    log_request(who, method, visit->target, given.status);
    return given.text != NULL ? send_text(connection, given.status, given.text, given.length)
                              : MHD_NO;
}

/* The headers are there. What is refused without a look at the body is answered before it comes. */
static enum MHD_Result begin_upload(struct varve_control *control,
                                    struct MHD_Connection *connection, const char *method,
                                    struct visit *visit)
{
    char who[64];
    const unsigned silence = 0; /* any: the deadline of each piece is the limit */
    name_peer(connection, who, sizeof who);
    door_deadline_set(control->deadlines, deadline_of(connection), 0);
    visit->upload = door_upload_begin(control->varve, who, method, visit->target);
    if (visit->upload == NULL)
        return MHD_NO;
    if (door_upload_is_over(visit->upload)) {
        door_deadline_set(control->deadlines, deadline_of(connection), ANSWER_SECONDS);
        return answer_upload(connection, method, visit);
    }
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, silence);
    door_deadline_set(control->deadlines, deadline_of(connection), PIECE_SECONDS);
    return MHD_YES;
}

/* A client that would send for hours what is refused already is told at once. The library answers
 * only at the end of a body, so this goes past it; what the client still sends is thrown away until
 * it stops. */
static void answer_early(struct MHD_Connection *connection, const char *method, struct visit *visit)
{
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    char who[64], *text = NULL;
    struct varve_control_answer given = {.text = NULL};
    int length;
    name_peer(connection, who, sizeof who);
    door_upload_end(visit->upload, &given);
    log_request(who, method, visit->target, given.status);
    length = asprintf(&text,
                      "HTTP/1.1 %u Refused\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                      given.status, given.length, given.text != NULL ? given.text : "");
    if (length > 0) {
        (void)send(fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
        free(text);
    }
    free(given.text);
    visit->answered = true;
}

/* A piece of the body, or its end. */
static enum MHD_Result take_upload(struct varve_control *control, struct MHD_Connection *connection,
                                   const char *method, struct visit *visit, const char *upload,
                                   size_t *upload_size)
{
    struct door_deadline *deadline = deadline_of(connection);
    enum MHD_Result r = MHD_YES;
    door_deadline_set(control->deadlines, deadline, 0);
    if (*upload_size > 0) {
        door_upload_piece(visit->upload, upload, *upload_size);
        *upload_size = 0;
        if (!visit->answered && door_upload_is_over(visit->upload))
            answer_early(connection, method, visit);
        door_deadline_set(control->deadlines, deadline, PIECE_SECONDS);
        return r;
    }
    r = visit->answered ? MHD_NO : answer_upload(connection, method, visit);
    door_deadline_set(control->deadlines, deadline, ANSWER_SECONDS);
    return r;
}

/* Called when the headers are there, with each piece of the body, and at the end. */
static enum MHD_Result take(void *opaque, struct MHD_Connection *connection, const char *url,
                            const char *method, const char *version, const char *upload,
                            size_t *upload_size, void **request)
{
    (void)url;
    (void)version;
    struct varve_control *control = opaque;
    struct visit *visit = *request;
    if (visit == NULL || visit->target == NULL || deadline_of(connection) == NULL)
        return MHD_NO; /* no memory for this one */
    if (!visit->begun) {
        visit->begun = true;
        if (varve_control_is_upload(method, visit->target))
            return begin_upload(control, connection, method, visit);
        const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                         MHD_HTTP_HEADER_CONTENT_LENGTH);
        if (length != NULL && strtoull(length, NULL, 10) > VARVE_CONTROL_BODY_MAX)
            return send_too_long(connection);
        return MHD_YES;
    }
    if (visit->upload != NULL)
        return take_upload(control, connection, method, visit, upload, upload_size);
    if (*upload_size > 0) {
        enum MHD_Result r = visit_body(visit, upload, *upload_size);
        *upload_size = 0;
        return r;
    }
    if (visit->too_long)
        return send_too_long(connection);
    /* What the request itself needs is its own affair: a check of a large store takes hours. */
    door_deadline_set(control->deadlines, deadline_of(connection), 0);
    enum MHD_Result r = answer(control, connection, method, visit);
    door_deadline_set(control->deadlines, deadline_of(connection), ANSWER_SECONDS);
    return r;
}

static void notice_connection(void *opaque, struct MHD_Connection *connection, void **context,
                              enum MHD_ConnectionNotificationCode what)
{
    struct varve_control *control = opaque;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*context != NULL)
            door_deadline_remove(control->deadlines, *context);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct door_deadline *deadline = door_deadline_add(control->deadlines, fd);
    *context = deadline;
    if (deadline != NULL)
        door_deadline_set(control->deadlines, deadline, REQUEST_SECONDS);
}

/* Targets are decoded in one place (request_target.c): not here. */
static size_t leave_encoded(void *opaque, struct MHD_Connection *connection, char *text)
{
    (void)opaque;
    (void)connection;
    return strlen(text);
}

/* The library complains of clients that go away; that is their right. */
static void ignore_complaint(void *opaque, const char *format, va_list arguments)
{
    (void)opaque;
    (void)format;
    (void)arguments;
}

static int start_daemon(struct varve_control *control)
{
    control->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, take, control, MHD_OPTION_EXTERNAL_LOGGER, ignore_complaint, NULL,
        MHD_OPTION_LISTEN_SOCKET, control->socket.fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY, MHD_OPTION_URI_LOG_CALLBACK,
        visit_begin, NULL, MHD_OPTION_NOTIFY_COMPLETED, visit_end, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, notice_connection, control, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_encoded, NULL, MHD_OPTION_END);
    if (control->daemon == NULL)
        return varve_fail(ENOMEM, "cannot start the control door: no thread or no memory for it");
    return 0;
}

/* Signals belong to the program's own threads: the door's threads start with all of them blocked.
 */
static int start_threads(struct varve_control *control)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = door_deadlines_start(&control->deadlines);
    if (r == 0)
        r = start_daemon(control);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

int varve_control_start(struct varve *varve, const char *socket_path,
                        struct varve_control **ret_control)
{
    char *path = NULL;
    struct varve_control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return varve_fail(ENOMEM, "no memory for the control door");
    control->varve = varve;
    control->socket = (struct door_socket){.fd = -1, .directory = -1};
    int r = 0;
    if (socket_path == NULL &&
        asprintf(&path, "%s/%s", varve_directory(varve), VARVE_CONTROL_SOCKET) < 0) {
        path = NULL;
        r = varve_fail(ENOMEM, "no memory for the control door");
    }
    if (r == 0)
        r = door_socket_open(socket_path != NULL ? socket_path : path, &control->socket);
    if (r == 0)
        r = start_threads(control);
    free(path);
    if (r < 0) {
        varve_control_stop(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

/* The library waits for the requests that run, so long ones are told to stop first. One that begins
 * in this very moment is not told; how long a stop may take is bounded by who stops. */
static void stop_daemon(struct varve_control *control)
{
    varve_operation_cancel_all();
    MHD_stop_daemon(control->daemon);
}

void varve_control_stop(struct varve_control *control)
{
    if (control == NULL)
        return;
    door_socket_remove(&control->socket);
    if (control->daemon != NULL)
        stop_daemon(control);
    else if (control->socket.fd >= 0)
        close(control->socket.fd);
    door_deadlines_stop(control->deadlines);
    free(control);
}
