/* Where the space went. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/progress.h>
#include <varve/usage.h>

#include "control/request.h"

static json_t *usage_object(const struct varve_usage *usage)
{
    return json_pack("{so so sI sI sI sI sI sb}", "kind", answer_text(usage->kind), "ref",
                     answer_text(usage->ref), "size", (json_int_t)usage->size, "mapped_bytes",
                     (json_int_t)usage->mapped, "unique_bytes", (json_int_t)usage->unique,
                     "shared_bytes", (json_int_t)usage->shared, "reclaimable_bytes",
                     (json_int_t)usage->reclaimable, "damaged", usage->damaged);
}

int answer_usage(struct varve *varve, const char *ref, json_t *object)
{
    struct varve_usage usage;
    int r = varve_usage_show(varve, ref, &usage);
    if (r < 0)
        return r;
    json_t *space =
        json_pack("{sI sI sI}", "unique_bytes", (json_int_t)usage.unique, "shared_bytes",
                  (json_int_t)usage.shared, "reclaimable_bytes", (json_int_t)usage.reclaimable);
    r = json_object_update(object, space) < 0 ? varve_no_memory("a usage") : 0;
    json_decref(space);
    return r;
}

int call_finish_with_usage(const struct call *call, json_t *object, json_t **ret_answer)
{
    int r = object != NULL ? answer_usage(call->varve, call->name, object) : 0;
    if (r == -EIO)
        r = 0; /* what can be said of something damaged is said */
    if (r < 0)
        json_decref(object);
    else
        *ret_answer = object;
    return r;
}

static int list_visit(void *opaque, const struct varve_usage *usage)
{
    if (json_array_append_new(opaque, usage_object(usage)) < 0)
        return varve_fail(ENOMEM, "no memory for a list of usage");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *list = json_array();
    varve_operation_describe("usage of all");
    int r = list != NULL ? varve_usage_list(call->varve, list_visit, list) : 0;
    if (r < 0) {
        json_decref(list);
        return r;
    }
    *ret_answer = json_pack("{so}", "usage", list);
    return 0;
}

static int sharer_visit(void *opaque, const struct varve_sharer *sharer)
{
    json_t *object = json_pack("{so so sI}", "kind", answer_text(sharer->kind), "ref",
                               answer_text(sharer->ref), "bytes", (json_int_t)sharer->bytes);
    if (json_array_append_new(opaque, object) < 0)
        return varve_fail(ENOMEM, "no memory for a list of sharers");
    return 0;
}

static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_usage usage = {.size = 0};
    varve_operation_describe("usage of %s", call->name);
    /* the sharers first: with them all that was deleted is counted down */
    json_t *sharers = json_array();
    int r = sharers == NULL ? varve_no_memory("a usage")
                            : varve_usage_sharers(call->varve, call->name, sharer_visit, sharers);
    if (r == 0)
        r = varve_usage_show(call->varve, call->name, &usage);
    if (r < 0) {
        json_decref(sharers);
        return r;
    }
    json_t *object = usage_object(&usage);
    if (object == NULL || json_object_set_new(object, "shared_with", sharers) < 0) {
        json_decref(object);
        return 0;
    }
    *ret_answer = object;
    return 0;
}

static int doomed_visit(void *opaque, const struct varve_doomed *doomed)
{
    json_t *blockers = json_array();
    for (size_t i = 0; i < doomed->blocker_count; i++)
        json_array_append_new(blockers, answer_text(doomed->blockers[i]));
    json_t *object = json_pack("{so so sI sI so}", "kind", answer_text(doomed->kind), "ref",
                               answer_text(doomed->ref), "size", (json_int_t)doomed->size,
                               "mapped_bytes", (json_int_t)doomed->mapped, "blockers", blockers);
    if (json_array_append_new(opaque, object) < 0)
        return varve_fail(ENOMEM, "no memory for a list of what would go");
    return 0;
}

static int preview_run(const struct call *call, json_t **ret_answer)
{
    const char *refs[] = {call->name};
    struct varve_preview preview;
    json_t *list = json_array();
    varve_operation_describe("preview of deleting %s", call->name);
    int r = list != NULL ? varve_delete_preview(call->varve, refs, 1, doomed_visit, list, &preview)
                         : -ENOMEM;
    if (r < 0) {
        json_decref(list);
        return r;
    }
    *ret_answer =
        json_pack("{so sI sI sI}", "would_delete", list, "count", (json_int_t)preview.count,
                  "reclaimable_bytes", (json_int_t)preview.reclaimable, "blockers",
                  (json_int_t)preview.blockers);
    return 0;
}

const struct request_row control_usage[] = {
    {"GET", "/v1/usage", "What each volume, snapshot and version uses by itself.", NULL, list_run},
    {"GET", "/v1/usage/{name}", "What one uses, and who shares its blocks.", NULL, show_run},
    {"GET", "/v1/delete-preview/{name}", "What a delete would do; DATASET:* is all of a dataset.",
     NULL, preview_run},
    {NULL, NULL, NULL, NULL, NULL},
};
