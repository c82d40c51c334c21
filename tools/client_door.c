/* A request over HTTP on the door's Unix socket. */
#include "client_door.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/control.h>

#include "client_watch.h"
#include "command.h"
#include "progress_line.h"

enum {
    CONNECT_SECONDS = 5,
    ANSWER_SECONDS = 60,
    EXPECT_SECONDS = 24 * 3600,   /* until a server wants a body: others may be before it */
    ANSWER_BYTES_MAX = 256 << 20, /* a list of a million volumes fits */
};

struct text {
    char *bytes;
    size_t length;
    const struct client_call *call;
    CURL *curl;
    bool streamed; /* at least a piece went to the caller's sink */
    bool left;     /* which wants no more, or the source broke off */
};

static size_t keep(char *bytes, size_t size, size_t count, void *opaque)
{
    struct text *text = opaque;
    size_t length = size * count;
    long status = 0;
    curl_easy_getinfo(text->curl, CURLINFO_RESPONSE_CODE, &status);
    if (text->call->sink != NULL && status == 200) {
        text->streamed = true;
        text->left = text->call->sink(text->call->sink_opaque, bytes, length) < 0;
        return text->left ? 0 : length;
    }
    if (text->length + length > ANSWER_BYTES_MAX)
        return 0;
    char *more = realloc(text->bytes, text->length + length + 1);
    if (more == NULL)
        return 0;
    memcpy(more + text->length, bytes, length);
    text->bytes = more;
    text->length += length;
    return length;
}

static size_t feed(char *bytes, size_t size, size_t count, void *opaque)
{
    struct text *text = opaque;
    const ssize_t length = text->call->source(text->call->source_opaque, bytes, size * count);
    if (length >= 0)
        return (size_t)length;
    text->left = true;
    return CURL_READFUNC_ABORT;
}

/* A body of unknown length; it waits until the server wants it, since a refusal comes before. */
static void set_up_source(CURL *curl, struct text *text)
{
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, feed);
    curl_easy_setopt(curl, CURLOPT_READDATA, text);
    curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)EXPECT_SECONDS * 1000);
}

/* Prints the sentence, if the caller wants it, and returns the code. */
__attribute__((format(printf, 3, 4))) static int fail(const struct client_call *call,
                                                      enum exit_code code, const char *format, ...)
{
    char *sentence = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&sentence, format, arguments);
    va_end(arguments);
    if (call->endless)
        progress_line_wipe();
    if (n >= 0 && !call->quiet)
        command_fail(code, "%s", sentence);
    if (n >= 0)
        free(sentence);
    return (int)code;
}

static void set_up(CURL *curl, const struct client_call *call, const char *url, const char *socket,
                   struct text *text)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (call->source != NULL)
        set_up_source(curl, text);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->endless ? 0L : (long)ANSWER_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
    if (call->body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
}

/* What a failed transfer means. A connection that ends without an answer may be one too many for
 * the door, or a server that died: a question can be asked again, a change may have been made. */
static int transfer_failed(CURL *curl, CURLcode code, const struct client_call *call)
{
    const char *store = call->store;
    long os_error = 0;
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_COULDNT_CONNECT && (os_error == ENOENT || os_error == ECONNREFUSED))
        return EXIT_NO_DOOR;
    if (code == CURLE_COULDNT_CONNECT && (os_error == EACCES || os_error == EPERM))
        return fail(call, EXIT_NOT_PERMITTED,
                    "you may not ask the server of %s: %s/" VARVE_CONTROL_SOCKET
                    " belongs to another user",
                    store, store);
    if (strcmp(call->method, "GET") == 0 &&
        (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR))
        return EXIT_NO_DOOR;
    if (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_COULDNT_CONNECT)
        return fail(call, EXIT_NO_ANSWER, "the server of %s does not answer on its control door",
                    store);
    return fail(call, EXIT_NO_ANSWER,
                "the server of %s went away before it answered (%s); look whether the "
                "change was made",
                store, curl_easy_strerror(code));
}

/* A stream that ended before its end. */
static int broken_off(const struct client_call *call)
{
    if (client_watch_was_told())
        return fail(call, EXIT_CANCELLED, "cancelled before all was there");
    return fail(call, EXIT_NO_ANSWER,
                "the server of %s broke off before all was there; its log says why", call->store);
}

static int transfer(CURL *curl, const struct client_call *call, const char *url, const char *socket,
                    struct client_answer *ret_answer)
{
    struct text text = {.call = call, .curl = curl};
    set_up(curl, call, url, socket, &text);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        free(text.bytes);
        if (text.left)
            return EXIT_FAILED;
        if (text.streamed)
            return broken_off(call);
        return transfer_failed(curl, code, call);
    }
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (text.streamed) {
        *ret_answer = (struct client_answer){.status = (unsigned)status};
        return EXIT_DONE;
    }
    json_t *json = json_loadb(text.bytes != NULL ? text.bytes : "", text.length, 0, NULL);
    free(text.bytes);
    if (!json_is_object(json)) {
        json_decref(json);
        return fail(call, EXIT_NO_ANSWER,
                    "the server of %s answers with something that is not JSON (status "
                    "%ld); is it varve's?",
                    call->store, status);
    }
    ret_answer->status = (unsigned)status;
    ret_answer->json = json;
    return EXIT_DONE;
}

/* Without a limit on its time a request could wait for ever for a server that is stuck, so it is
 * asked something short first. */
static int ping(const struct client_call *call)
{
    const struct client_call question = {
        .store = call->store, .method = "GET", .target = "/v1/ping", .quiet = call->quiet};
    struct client_answer answer = {0, NULL};
    int code = client_door(&question, &answer);
    if (code == EXIT_DONE)
        json_decref(answer.json);
    return code;
}

int client_door(const struct client_call *call, struct client_answer *ret_answer)
{
    int code = call->endless ? ping(call) : EXIT_DONE;
    if (code != EXIT_DONE)
        return code;
    /* The socket's address goes through the directory's descriptor: it may not have more than 107
     * bytes. */
    int directory = open(call->store, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? fail(call, EXIT_NOT_FOUND,
                          "there is no store at %s; 'varve init %s' makes one", call->store,
                          call->store)
                   : fail(call, exit_code_of(-errno), "cannot open store %s: %s", call->store,
                          strerror(errno));
    char socket[64];
    snprintf(socket, sizeof socket, "/proc/self/fd/%d/" VARVE_CONTROL_SOCKET, directory);
    char *url = NULL;
    CURL *curl = curl_easy_init();
    code = EXIT_FAILED;
    if (curl == NULL || asprintf(&url, "http://varve%s", call->target) < 0) {
        url = NULL;
        fail(call, EXIT_FAILED, "no memory for a request");
    } else {
        code = transfer(curl, call, url, socket, ret_answer);
    }
    free(url);
    curl_easy_cleanup(curl);
    close(directory);
    return code;
}
