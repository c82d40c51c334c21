/* Which way a request goes, and what a refusal means. */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <varve/error.h>

#include "client_door.h"
#include "client_watch.h"
#include "command.h"
#include "field.h"

enum {
    PATIENCE = 50, /* times PAUSE: a server needs two seconds to open a store */
    PAUSE_NANOSECONDS = 100000000,
};

/* A refusal's code is the name of an errno. */
static enum exit_code exit_code_of_name(const char *name)
{
    for (int number = 1; number < 200; number++) {
        const char *known = strerrorname_np(number);
        if (known != NULL && strcmp(known, name) == 0)
            return exit_code_of(-number);
    }
    return EXIT_FAILED;
}

int client_refused(struct client_answer *answer)
{
    const char *name = NULL, *message = NULL;
    int code;
    if (json_unpack(answer->json, "{s{ss ss}}", "error", "code", &name, "message", &message) == 0)
        code = command_fail(exit_code_of_name(name), "%s", message);
    else
        code = command_fail(EXIT_NO_ANSWER, "the server refuses with status %u and no reason",
                            answer->status);
    json_decref(answer->json);
    return code;
}

static int unpack(struct client_answer *answer, json_t **ret_answer)
{
    if (answer->status >= 400)
        return client_refused(answer);
    *ret_answer = answer->json;
    return EXIT_DONE;
}

static int body_text(const json_t *parameters, char **ret_text)
{
    *ret_text = NULL;
    if (parameters == NULL)
        return EXIT_DONE;
    *ret_text = json_dumps(parameters, JSON_COMPACT);
    return *ret_text != NULL ? EXIT_DONE
                             : command_fail(EXIT_USAGE, "an argument is not UTF-8 text");
}

static void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NANOSECONDS}, NULL);
}

/* The door first; then the store itself. A store that is held while no door answers belongs to a
 * server that is starting or stopping, or to another command, so it is worth a little patience. */
int client_perform(const struct client_call *call, struct client_answer *ret_answer)
{
    for (int i = 0; i < PATIENCE; i++) {
        int code = client_door(call, ret_answer);
        if (code == EXIT_NO_DOOR)
            code = client_local(call, ret_answer);
        if (code != EXIT_HELD)
            return code;
        pause_briefly();
    }
    return command_fail(EXIT_BUSY,
                        "%s, and no control door answers: it is a server that is starting, or "
                        "another command; try again",
                        varve_error());
}

/* Makes the call, which has all but its body. */
static int perform(struct client_call *call, const json_t *parameters,
                   struct client_answer *ret_answer)
{
    char *body;
    int code = body_text(parameters, &body);
    call->body = body;
    if (code == EXIT_DONE)
        code = client_perform(call, ret_answer);
    free(body);
    return code;
}

int client_request(const char *store, const char *method, const char *target,
                   const json_t *parameters, json_t **ret_answer)
{
    struct client_call call = {.store = store, .method = method, .target = target};
    struct client_answer answer;
    int code = perform(&call, parameters, &answer);
    return code == EXIT_DONE ? unpack(&answer, ret_answer) : code;
}

int client_ask(const struct invocation *invocation, const char *method, char *target,
               json_t *parameters, json_t **ret_answer)
{
    int code = client_request(invocation->store, method, target, parameters, ret_answer);
    free(target);
    json_decref(parameters);
    return code;
}

int client_request_long(const struct invocation *invocation, const char *method, const char *target,
                        const json_t *parameters, json_t **ret_answer)
{
    char token[CLIENT_TOKEN], *tracked = NULL;
    int code = client_track(target, token, &tracked);
    if (code != EXIT_DONE)
        return code;
    struct client_call call = {
        .store = invocation->store, .method = method, .target = tracked, .endless = true};
    struct client_watch *watch = client_watch_begin(invocation->store, token, invocation->progress);
    struct client_answer answer;
    code = perform(&call, parameters, &answer);
    client_watch_end(watch);
    free(tracked);
    return code == EXIT_DONE ? unpack(&answer, ret_answer) : code;
}

int client_request_server(const char *store, const char *method, const char *target,
                          const json_t *parameters, json_t **ret_answer)
{
    char *body;
    int code = body_text(parameters, &body);
    struct client_call call = {.store = store, .method = method, .target = target, .body = body};
    struct client_answer answer;
    if (code == EXIT_DONE)
        code = client_door(&call, &answer);
    free(body);
    if (code == EXIT_NO_DOOR)
        return command_fail(EXIT_NO_ANSWER,
                            "nobody serves %s; start 'varve --store %s serve' first", store, store);
    return code == EXIT_DONE ? unpack(&answer, ret_answer) : code;
}

char *client_target(const char *before, const char *argument, const char *after)
{
    char *target = NULL;
    char *escaped = curl_easy_escape(NULL, argument, 0);
    if (escaped == NULL || asprintf(&target, "%s%s%s", before, escaped, after) < 0)
        exit(command_fail(EXIT_FAILED, "no memory for a request"));
    curl_free(escaped);
    return target;
}

void client_print_json(const json_t *answer)
{
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
}

int client_change(const struct invocation *invocation, char *target, json_t *parameters,
                  json_t **ret_answer)
{
    if (parameters != NULL)
        return client_ask(invocation, "POST", target, parameters, ret_answer);
    free(target);
    return command_fail(EXIT_USAGE, "an argument is not UTF-8 text");
}

int client_finish(const struct invocation *invocation, int code, json_t *answer,
                  void (*print)(const json_t *answer))
{
    if (code != EXIT_DONE)
        return code;
    if (invocation->json)
        client_print_json(answer);
    else
        print(answer);
    json_decref(answer);
    return EXIT_DONE;
}

int client_finish_saying(const struct invocation *invocation, int code, json_t *answer,
                         const char *said, const char *member)
{
    if (code == EXIT_DONE && !invocation->json)
        printf("%s: %s\n", said, field_text(answer, member));
    else if (code == EXIT_DONE)
        client_print_json(answer);
    if (code == EXIT_DONE)
        json_decref(answer);
    return code;
}

int client_finish_list(const struct invocation *invocation, int code, json_t *answer,
                       const char *member, void (*print)(const json_t *list), const char *none)
{
    if (code != EXIT_DONE)
        return code;
    const json_t *list = json_object_get(answer, member);
    if (invocation->json)
        client_print_json(answer);
    else if (json_array_size(list) > 0)
        print(list);
    else
        fprintf(stderr, "%s\n", none);
    json_decref(answer);
    return EXIT_DONE;
}

int client_finish_names(const struct invocation *invocation, int code, json_t *answer,
                        const char *member, const char *name)
{
    size_t i;
    json_t *one;
    if (code != EXIT_DONE)
        return code;
    if (invocation->json)
        client_print_json(answer);
    else
        json_array_foreach(json_object_get(answer, member), i, one) puts(field_text(one, name));
    json_decref(answer);
    return EXIT_DONE;
}
