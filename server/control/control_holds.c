/* Holds: why something must be kept. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/hold.h>

#include "control/request.h"

static json_t *hold_object(const struct varve_hold *hold)
{
    return json_pack("{sI so so so so so}", "number", (json_int_t)hold->number, "kind",
                     answer_text(hold->kind), "ref", answer_text(hold->ref), "reason",
                     answer_text(hold->reason), "created", answer_time(hold->created), "who",
                     answer_text(hold->who));
}

static int list_visit(void *opaque, const struct varve_hold *hold)
{
    if (json_array_append_new(opaque, hold_object(hold)) < 0)
        return varve_fail(ENOMEM, "no memory for a list of holds");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *holds = json_array();
    int r =
        holds != NULL ? varve_hold_list(call->varve, call_text(call, "ref"), list_visit, holds) : 0;
    if (r < 0) {
        json_decref(holds);
        return r;
    }
    *ret_answer = json_pack("{so}", "holds", holds);
    return 0;
}

static int add_run(const struct call *call, json_t **ret_answer)
{
    struct varve_hold hold;
    int r = varve_hold_add(call->varve, call_text(call, "ref"), call_text(call, "reason"), &hold);
    if (r < 0)
        return r;
    *ret_answer = hold_object(&hold);
    return 0;
}

static int release_run(const struct call *call, json_t **ret_answer)
{
    unsigned count = 0;
    int r = varve_hold_release(call->varve, call->name, &count);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{sI}", "released", (json_int_t)count);
    return 0;
}

static const struct parameter list_parameters[] = {{"ref", PARAMETER_TEXT, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter add_parameters[] = {
    {"ref", PARAMETER_TEXT, true}, {"reason", PARAMETER_TEXT, true}, {NULL, PARAMETER_TEXT, false}};

const struct request_row control_holds[] = {
    {"GET", "/v1/holds", "Holds, of one ref or of all, oldest first.", list_parameters, list_run},
    {"POST", "/v1/holds", "Holds what a ref names: it cannot be deleted.", add_parameters, add_run},
    {"DELETE", "/v1/holds/{name}", "Releases the hold of that number, or all holds of a ref.", NULL,
     release_run},
    {NULL, NULL, NULL, NULL, NULL},
};
