/* A request in this process, when nobody serves the store. */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/control.h>
#include <varve/error.h>
#include <varve/server.h>

#include "client_door.h"
#include "command.h"

/* Spent on what a delete leaves, so that what is used is told right and nobody waits for it. */
enum { RECLAIM_MILLISECONDS = 200 };

static void print_note(void *opaque, const char *line)
{
    (void)opaque;
    command_warn("%s", line);
}

static const char *user_name(void)
{
    static char number[24];
    const struct passwd *entry = getpwuid(getuid());
    if (entry != NULL)
        return entry->pw_name;
    snprintf(number, sizeof number, "uid %u", (unsigned)getuid());
    return number;
}

int client_local(const struct client_call *call, struct client_answer *ret_answer)
{
    const bool changes = strcmp(call->method, "GET") != 0;
    struct varve *varve;
    varve_error_clear();
    int r = varve_open(call->store, changes ? 0 : VARVE_OPEN_READ_ONLY, NULL, &varve);
    if (r == -EBUSY)
        return EXIT_HELD;
    if (r < 0)
        return command_fail_error(r);
    varve_notes(varve, print_note, NULL);
    struct varve_control_answer answer;
    if (call->sink != NULL)
        varve_control_stream(varve, user_name(), call->method, call->target, call->sink,
                             call->sink_opaque, &answer);
    else if (call->source != NULL)
        varve_control_upload(varve, user_name(), call->method, call->target, call->source,
                             call->source_opaque, &answer);
    else
        varve_control_request(varve, user_name(), call->method, call->target, call->body,
                              call->body != NULL ? strlen(call->body) : 0, &answer);
    if (changes && answer.status < 400)
        varve_reclaim(varve, RECLAIM_MILLISECONDS);
    r = varve_close(varve);
    json_t *json = answer.text != NULL ? json_loadb(answer.text, answer.length, 0, NULL) : NULL;
    free(answer.text);
    if (json == NULL && (call->sink == NULL || answer.status >= 400))
        return command_fail(EXIT_FAILED, "no memory for the answer");
    if (r < 0 && changes && answer.status < 400) {
        json_decref(json);
        return command_fail_error(r);
    }
    ret_answer->status = answer.status;
    ret_answer->json = json;
    return EXIT_DONE;
}
