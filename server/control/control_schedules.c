/* Schedules of snapshots. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/snapshot.h>

#include "control/request.h"

static int list_visit(void *opaque, const struct varve_schedule *schedule)
{
    json_t *object =
        json_pack("{so sI sI so so so}", "volume", answer_text(schedule->volume), "every",
                  (json_int_t)schedule->every, "keep", (json_int_t)schedule->keep, "last",
                  schedule->last != 0 ? answer_time(schedule->last) : json_null(), "failed",
                  schedule->failed != 0 ? answer_time(schedule->failed) : json_null(), "failure",
                  answer_text_or_null(schedule->failure));
    if (json_array_append_new(opaque, object) < 0)
        return varve_fail(ENOMEM, "no memory for a list of schedules");
    return 0;
}

static int list(struct varve *varve, const char *volume, json_t **ret_answer)
{
    json_t *schedules = json_array();
    int r = schedules != NULL ? varve_schedule_list(varve, volume, list_visit, schedules) : 0;
    if (r < 0) {
        json_decref(schedules);
        return r;
    }
    *ret_answer = json_pack("{so}", "schedules", schedules);
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    return list(call->varve, call_text(call, "volume"), ret_answer);
}

static int set_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_schedule_set(call->varve, call->name, (int64_t)call_number(call, "every", 0),
                               (int64_t)call_number(call, "keep", 0));
    return r < 0 ? r : list(call->varve, call->name, ret_answer);
}

static int remove_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_schedule_remove(call->varve, call->name, (int64_t)call_number(call, "every", 0));
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so}", "removed", answer_text(call->name));
    return 0;
}

static const struct parameter list_parameters[] = {{"volume", PARAMETER_TEXT, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter set_parameters[] = {{"every", PARAMETER_NUMBER, true},
                                                  {"keep", PARAMETER_NUMBER, true},
                                                  {NULL, PARAMETER_TEXT, false}};
static const struct parameter remove_parameters[] = {{"every", PARAMETER_NUMBER, false},
                                                     {NULL, PARAMETER_TEXT, false}};

const struct request_row control_schedules[] = {
    {"GET", "/v1/schedules", "Schedules of snapshots, of one volume or of all.", list_parameters,
     list_run},
    {"POST", "/v1/schedules/{name}",
     "A snapshot of that volume every so many seconds, of which the newest are kept.",
     set_parameters, set_run},
    {"DELETE", "/v1/schedules/{name}",
     "Removes the schedule of that volume with that interval, or all of it.", remove_parameters,
     remove_run},
    {NULL, NULL, NULL, NULL, NULL},
};
