/* Datasets. */
#include <errno.h>
#include <jansson.h>

#include <varve/dataset.h>
#include <varve/error.h>

#include "control/request.h"
#include "control/settings.h"

static json_t *dataset_object(const struct varve_dataset *dataset)
{
    return json_pack(
        "{ss so so so so sI so so sI sI sI so sI}", "id", dataset->id, "team",
        answer_text_or_null(dataset->team), "name", answer_text(dataset->name), "full_name",
        answer_text(dataset->full_name), "description", answer_text(dataset->description), "size",
        (json_int_t)dataset->size, "created", answer_time(dataset->created), "who",
        answer_text(dataset->who), "versions", (json_int_t)dataset->versions, "uncommitted",
        (json_int_t)dataset->uncommitted, "tags", (json_int_t)dataset->tags, "latest",
        answer_text_or_null(dataset->latest), "mapped_bytes", (json_int_t)dataset->mapped_bytes);
}

static int list_visit(void *opaque, const struct varve_dataset *dataset)
{
    if (json_array_append_new(opaque, dataset_object(dataset)) < 0)
        return varve_no_memory("a list of datasets");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *datasets = json_array();
    int r = datasets != NULL ? varve_dataset_list(call->varve, list_visit, datasets) : 0;
    if (r < 0) {
        json_decref(datasets);
        return r;
    }
    *ret_answer = json_pack("{so}", "datasets", datasets);
    return 0;
}

static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_dataset dataset;
    json_t *metadata = NULL;
    int r = varve_dataset_show(call->varve, call->name, &dataset);
    if (r == 0)
        r = answer_metadata(call->varve, dataset.id, &metadata);
    if (r < 0)
        return r;
    *ret_answer = dataset_object(&dataset);
    json_object_set_new(*ret_answer, "metadata", metadata);
    return 0;
}

static int create_run(const struct call *call, json_t **ret_answer)
{
    struct call_settings settings;
    struct varve_dataset dataset;
    int r = call_settings_take(call, &settings);
    if (r == 0) {
        const struct varve_dataset_options options = {.name = call_text(call, "name"),
                                                      .description = call_text(call, "description"),
                                                      .size = call_number(call, "size", 0),
                                                      .settings = settings.settings};
        r = varve_dataset_create(call->varve, &options, &dataset);
    }
    call_settings_release(&settings);
    if (r == 0)
        *ret_answer = dataset_object(&dataset);
    return r;
}

static int update_run(const struct call *call, json_t **ret_answer)
{
    struct call_settings settings;
    struct varve_dataset dataset;
    const uint64_t size = call_number(call, "size", 0);
    int r = call_settings_take(call, &settings);
    if (r == 0) {
        const struct varve_dataset_update update = {
            .name = call_text(call, "name"),
            .description = call_text(call, "description"),
            .size = json_object_get(call->arguments, "size") != NULL ? &size : NULL,
            .settings = settings.settings};
        r = varve_dataset_update(call->varve, call->name, &update, &dataset);
    }
    call_settings_release(&settings);
    if (r == 0)
        *ret_answer = dataset_object(&dataset);
    return r;
}

static int delete_run(const struct call *call, json_t **ret_answer)
{
    struct varve_dataset dataset;
    const unsigned flags = call_flag(call, "force", false) ? VARVE_DELETE_FORCE : 0;
    int r = varve_dataset_delete(call->varve, call->name, flags, &dataset);
    if (r == 0)
        *ret_answer = json_pack("{so so}", "deleted", answer_text(dataset.full_name), "dataset",
                                dataset_object(&dataset));
    return r;
}

static const struct parameter create_parameters[] = {{"name", PARAMETER_TEXT, true},
                                                     {"description", PARAMETER_TEXT, false},
                                                     {"size", PARAMETER_NUMBER, false},
                                                     SETTING_PARAMETERS,
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter update_parameters[] = {{"name", PARAMETER_TEXT, false},
                                                     {"description", PARAMETER_TEXT, false},
                                                     {"size", PARAMETER_NUMBER, false},
                                                     SETTING_PARAMETERS,
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter delete_parameters[] = {{"force", PARAMETER_FLAG, false},
                                                     {NULL, PARAMETER_TEXT, false}};

const struct request_row control_datasets[] = {
    {"GET", "/v1/datasets", "All datasets, in the order of teams and names.", NULL, list_run},
    {"POST", "/v1/datasets", "Makes a dataset.", create_parameters, create_run},
    {"GET", "/v1/datasets/{name}", "One dataset, with its metadata.", NULL, show_run},
    {"POST", "/v1/datasets/{name}/update", "Changes a dataset's name, texts and metadata.",
     update_parameters, update_run},
    {"DELETE", "/v1/datasets/{name}", "Deletes a dataset with its versions.", delete_parameters,
     delete_run},
    {NULL, NULL, NULL, NULL, NULL},
};
