/* The history of changes. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/history.h>

#include "control/request.h"

static int list_visit(void *opaque, const struct varve_event *event)
{
    json_t *object = json_pack("{sI so so so so so}", "number", (json_int_t)event->number, "time",
                               answer_time(event->time), "who", answer_text(event->who), "kind",
                               answer_text(event->kind), "object", answer_text(event->object),
                               "what", answer_text(event->what));
    if (json_array_append_new(opaque, object) < 0)
        return varve_fail(ENOMEM, "no memory for the history");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    const struct varve_history_options options = {.object = call_text(call, "ref"),
                                                  .kind = call_text(call, "kind"),
                                                  .limit = call_number(call, "limit", 0)};
    json_t *events = json_array();
    int r = events != NULL ? varve_history_list(call->varve, &options, list_visit, events) : 0;
    if (r < 0) {
        json_decref(events);
        return r;
    }
    *ret_answer = json_pack("{so}", "events", events);
    return 0;
}

static const struct parameter list_parameters[] = {{"ref", PARAMETER_TEXT, false},
                                                   {"kind", PARAMETER_TEXT, false},
                                                   {"limit", PARAMETER_NUMBER, false},
                                                   {NULL, PARAMETER_TEXT, false}};

const struct request_row control_history[] = {
    {"GET", "/v1/history", "Who changed what and when, newest first.", list_parameters, list_run},
    {NULL, NULL, NULL, NULL, NULL},
};
