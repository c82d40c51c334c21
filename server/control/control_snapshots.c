/* Snapshots of volumes. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include <varve/error.h>
#include <varve/snapshot.h>

#include "control/request.h"

static json_t *snapshot_object(const struct varve_snapshot *snapshot)
{
    return json_pack(
        "{so so so sI sI sI so so so so sI sI sb}", "ref", answer_text(snapshot->ref), "volume",
        answer_text(snapshot->volume), "name", answer_text(snapshot->name), "image",
        (json_int_t)snapshot->image, "size", (json_int_t)snapshot->size, "mapped_bytes",
        (json_int_t)snapshot->mapped_bytes, "created", answer_time(snapshot->created), "who",
        answer_text(snapshot->who), "message", answer_text_or_null(snapshot->message), "schedule",
        snapshot->schedule != 0 ? json_integer((json_int_t)snapshot->schedule) : json_null(),
        "holds", (json_int_t)snapshot->holds, "connections", (json_int_t)snapshot->connections,
        "damaged", snapshot->damaged);
}

static int list_visit(void *opaque, const struct varve_snapshot *snapshot)
{
    if (json_array_append_new(opaque, snapshot_object(snapshot)) < 0)
        return varve_fail(ENOMEM, "no memory for a list of snapshots");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *snapshots = json_array();
    int r = snapshots != NULL
                ? varve_snapshot_list(call->varve, call_text(call, "volume"), list_visit, snapshots)
                : 0;
    if (r < 0) {
        json_decref(snapshots);
        return r;
    }
    *ret_answer = json_pack("{so}", "snapshots", snapshots);
    return 0;
}

static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_snapshot snapshot;
    int r = varve_snapshot_show(call->varve, call->name, &snapshot);
    if (r < 0)
        return r;
    if (call_flag(call, "usage", false))
        return call_finish_with_usage(call, snapshot_object(&snapshot), ret_answer);
    *ret_answer = snapshot_object(&snapshot);
    return 0;
}

static int create_run(const struct call *call, json_t **ret_answer)
{
    const struct varve_snapshot_options options = {.name = call_text(call, "name"),
                                                   .message = call_text(call, "message"),
                                                   .hold = call_text(call, "hold")};
    const char *volumes[PARAMETER_LIST_MAX];
    const size_t count = call_list(call, "volumes", volumes);
    struct varve_snapshot *taken = calloc(count + 1, sizeof *taken);
    if (taken == NULL)
        return varve_no_memory("snapshots");
    int r = varve_snapshot_create(call->varve, volumes, count, &options, taken);
    json_t *snapshots = r == 0 ? json_array() : NULL;
    for (size_t i = 0; snapshots != NULL && i < count; i++)
        (void)list_visit(snapshots, &taken[i]);
    free(taken);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so}", "snapshots", snapshots);
    return 0;
}

static int set_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_snapshot_set_message(call->varve, call->name, call_text(call, "message"));
    return r < 0 ? r : show_run(call, ret_answer);
}

static int delete_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_snapshot_delete(call->varve, call->name);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so}", "deleted", answer_text(call->name));
    return 0;
}

static const struct parameter list_parameters[] = {{"volume", PARAMETER_TEXT, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter show_parameters[] = {{"usage", PARAMETER_FLAG, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter create_parameters[] = {{"volumes", PARAMETER_LIST, true},
                                                     {"name", PARAMETER_TEXT, false},
                                                     {"message", PARAMETER_TEXT, false},
                                                     {"hold", PARAMETER_TEXT, false},
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter set_parameters[] = {{"message", PARAMETER_TEXT, true},
                                                  {NULL, PARAMETER_TEXT, false}};

const struct request_row control_snapshots[] = {
    {"GET", "/v1/snapshots", "Snapshots, of one volume or of all, oldest first.", list_parameters,
     list_run},
    {"POST", "/v1/snapshots",
     "Takes a snapshot of each volume (VOLUME or VOLUME@NAME), all at one point in time.",
     create_parameters, create_run},
    {"GET", "/v1/snapshots/{name}", "One snapshot, by its ref; with what it uses alone.",
     show_parameters, show_run},
    {"DELETE", "/v1/snapshots/{name}", "Deletes a snapshot that nobody uses or holds.", NULL,
     delete_run},
    {"POST", "/v1/snapshots/{name}/set", "Gives a snapshot another message.", set_parameters,
     set_run},
    {NULL, NULL, NULL, NULL, NULL},
};
