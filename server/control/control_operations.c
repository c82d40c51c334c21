/* What runs long: how far it is, and to stop it. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/progress.h>

#include "control/request.h"

static json_t *operation_object(const struct varve_operation *operation)
{
    return json_pack("{so so so so sI sI so sb}", "token", answer_text(operation->token), "what",
                     answer_text(operation->what), "step", answer_text_or_null(operation->step),
                     "unit", answer_text_or_null(operation->unit), "done",
                     (json_int_t)operation->done, "total", (json_int_t)operation->total, "started",
                     answer_time(operation->started), "cancelled", operation->cancelled);
}

/* A request that never says how far it is ends in a moment, as this very one does. */
static int list_visit(void *opaque, const struct varve_operation *operation)
{
    if (operation->step[0] != '\0' &&
        json_array_append_new(opaque, operation_object(operation)) < 0)
        return varve_fail(ENOMEM, "no memory for a list of operations");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    (void)call;
    json_t *operations = json_array();
    int r = operations != NULL ? varve_operation_list(list_visit, operations) : 0;
    if (r < 0) {
        json_decref(operations);
        return r;
    }
    *ret_answer = json_pack("{so}", "operations", operations);
    return 0;
}

static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_operation operation;
    int r = varve_operation_show(call->name, &operation);
    if (r < 0)
        return r;
    *ret_answer = operation_object(&operation);
    return 0;
}

static int cancel_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_operation_cancel(call->name);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so}", "cancelled", answer_text(call->name));
    return 0;
}

const struct request_row control_operations[] = {
    {"GET", "/v1/operations", "Long work that runs, and how far it is.", NULL, list_run},
    {"GET", "/v1/operations/{name}", "One piece of it, by its token.", NULL, show_run},
    {"DELETE", "/v1/operations/{name}", "Tells it to stop; it ends with ECANCELED.", NULL,
     cancel_run},
    {NULL, NULL, NULL, NULL, NULL},
};
