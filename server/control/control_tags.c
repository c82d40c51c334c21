/* Tags of datasets. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/tag.h>

#include "control/request.h"

static json_t *tag_object(const struct varve_tag *tag)
{
    return json_pack("{so so ss so so}", "ref", answer_text(tag->ref), "name",
                     answer_text(tag->name), "version", tag->version, "moved",
                     answer_time(tag->time), "who", answer_text(tag->who));
}

static int list_visit(void *opaque, const struct varve_tag *tag)
{
    return json_array_append_new(opaque, tag_object(tag)) < 0 ? varve_no_memory("a list of tags")
                                                              : 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *tags = json_array();
    int r = tags != NULL ? varve_tag_list(call->varve, call->name, list_visit, tags) : 0;
    if (r < 0) {
        json_decref(tags);
        return r;
    }
    *ret_answer = json_pack("{so}", "tags", tags);
    return 0;
}

static int event_visit(void *opaque, const struct varve_tag_event *event)
{
    json_t *object =
        json_pack("{sI so so so so so}", "number", (json_int_t)event->number, "time",
                  answer_time(event->time), "who", answer_text(event->who), "tag",
                  answer_text(event->name), "version", answer_text_or_null(event->version),
                  "before", answer_text_or_null(event->before));
    return json_array_append_new(opaque, object) < 0 ? varve_no_memory("a history of tags") : 0;
}

static int history_run(const struct call *call, json_t **ret_answer)
{
    json_t *events = json_array();
    int r = events != NULL ? varve_tag_history(call->varve, call->name, call_text(call, "tag"),
                                               event_visit, events)
                           : 0;
    if (r < 0) {
        json_decref(events);
        return r;
    }
    *ret_answer = json_pack("{so}", "events", events);
    return 0;
}

static int set_run(const struct call *call, json_t **ret_answer)
{
    struct varve_tag tag;
    int r = varve_tag_set(call->varve, call->name, call_text(call, "tag"),
                          call_text(call, "expect"), &tag);
    if (r == 0)
        *ret_answer = tag_object(&tag);
    return r;
}

static int delete_run(const struct call *call, json_t **ret_answer)
{
    struct varve_tag tag;
    int r = varve_tag_delete(call->varve, call->name, call_text(call, "tag"),
                             call_text(call, "expect"), &tag);
    if (r == 0)
        *ret_answer =
            json_pack("{so so}", "deleted", answer_text(tag.ref), "tag", tag_object(&tag));
    return r;
}

static const struct parameter history_parameters[] = {{"tag", PARAMETER_TEXT, false},
                                                      {NULL, PARAMETER_TEXT, false}};
static const struct parameter move_parameters[] = {{"tag", PARAMETER_TEXT, true},
                                                   {"expect", PARAMETER_TEXT, false},
                                                   {NULL, PARAMETER_TEXT, false}};

const struct request_row control_tags[] = {
    {"GET", "/v1/datasets/{name}/tags", "A dataset's tags, in the order of names.", NULL, list_run},
    {"GET", "/v1/datasets/{name}/tag-history", "Each move of its tags, oldest first.",
     history_parameters, history_run},
    {"DELETE", "/v1/datasets/{name}/tags", "Deletes a tag, if it is where it is expected.",
     move_parameters, delete_run},
    {"POST", "/v1/versions/{name}/tag", "Points a tag at a version, if it is where it is expected.",
     move_parameters, set_run},
    {NULL, NULL, NULL, NULL, NULL},
};
