#include "client_upload.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <varve/error.h>

#include "client_door.h"
#include "client_watch.h"
#include "command.h"

struct upload {
    struct client_call call;
    struct client_answer answer;
    int ends[2];       /* read from, written to */
    int code;          /* of the request */
    atomic_bool whole; /* all was written */
    bool broken;       /* the request was told that it is not */
};

int client_upload_write(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;

    while (length > 0) {
        ssize_t n = client_watch_was_told() ? 0 : send(fd, at, length, MSG_NOSIGNAL);

        if (n == 0)
            return varve_fail(ECANCELED, "cancelled before all was sent");
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return varve_fail(EPIPE, "the request ended before it had all");
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

static ssize_t take(void *opaque, void *bytes, size_t room)
{
    struct upload *upload = opaque;
    ssize_t n;

    do
        n = recv(upload->ends[0], bytes, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0 || (n == 0 && upload->whole))
        return n;
    upload->broken = true;
    return varve_fail(ECANCELED, "what was to be sent broke off");
}

/* Who writes finds nobody from then on. */
static void *work(void *opaque)
{
    struct upload *upload = opaque;

    upload->code = client_perform(&upload->call, &upload->answer);
    if (upload->code == EXIT_DONE && upload->answer.status >= 400 && !upload->broken) {
        upload->code = client_refused(&upload->answer);
        upload->answer.json = NULL;
    }
    shutdown(upload->ends[0], SHUT_RDWR);
    return NULL;
}

static int run(struct upload *upload, client_upload_give give, void *opaque, json_t **ret_answer)
{
    pthread_t thread;
    char line[1024];
    int r, error = pthread_create(&thread, NULL, work, upload);

    if (error != 0)
        return command_fail(EXIT_FAILED, "cannot start a thread: %s", strerror(error));
    varve_error_clear();
    r = give(opaque, upload->ends[1]);
    snprintf(line, sizeof line, "%s", varve_error());
    upload->whole = r == 0;
    shutdown(upload->ends[1], SHUT_WR);
    pthread_join(thread, NULL);
    if (upload->broken || (r < 0 && upload->code == EXIT_DONE)) {
        json_decref(upload->answer.json);
        return command_fail(exit_code_of(r), "%s", line[0] != '\0' ? line : strerror(-r));
    }
    if (upload->code == EXIT_DONE)
        *ret_answer = upload->answer.json;
    return upload->code;
}

int client_upload(const struct invocation *invocation, const char *method, const char *target,
                  client_upload_give give, void *opaque, json_t **ret_answer)
{
    char token[32], *tracked = NULL;
    unsigned long long number = 0;
    int code;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return command_fail(EXIT_FAILED, "cannot draw a random number: %s", strerror(errno));
    snprintf(token, sizeof token, "varve-%016llx", number);
    if (asprintf(&tracked, "%s%soperation=%s", target, strchr(target, '?') != NULL ? "&" : "?",
                 token) < 0)
        return command_fail(EXIT_FAILED, "no memory for a request");
    struct upload upload = {.call = {.store = invocation->store,
                                     .method = method,
                                     .target = tracked,
                                     .endless = true,
                                     .source = take,
                                     .source_opaque = &upload}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, upload.ends) < 0) {
        code = command_fail(EXIT_FAILED, "cannot make a socket pair: %s", strerror(errno));
    } else {
        struct client_watch *watch =
            client_watch_begin(invocation->store, token, invocation->progress);
        code = run(&upload, give, opaque, ret_answer);
        client_watch_end(watch);
        close(upload.ends[0]);
        close(upload.ends[1]);
    }
    free(tracked);
    return code;
}
