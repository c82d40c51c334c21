/* What is on a volume. */
#include <jansson.h>

#include <varve/inspect.h>

#include "control/request.h"

/* null when the range holds nothing that is known. */
static json_t *content_object(const struct varve_content *content)
{
    if (content->type[0] == '\0' && !content->ambiguous)
        return json_null();
    return json_pack(
        "{so so so so so sb so so}", "type", answer_text_or_null(content->type), "usage",
        answer_text_or_null(content->usage), "version", answer_text_or_null(content->version),
        "label", answer_text_or_null(content->label), "uuid", answer_text_or_null(content->uuid),
        "ambiguous", content->ambiguous, "clean", answer_text(varve_clean_name(content->clean)),
        "clean_reason", answer_text_or_null(content->clean_reason));
}

static json_t *partition_object(const struct varve_partition *partition)
{
    return json_pack("{si sI sI so so so so so}", "number", partition->number, "start",
                     (json_int_t)partition->start, "size", (json_int_t)partition->size, "type",
                     answer_text_or_null(partition->type), "type_name",
                     answer_text_or_null(partition->type_name), "name",
                     answer_text_or_null(partition->name), "uuid",
                     answer_text_or_null(partition->uuid), "content",
                     content_object(&partition->content));
}

static json_t *table_object(const struct varve_inspection *inspection)
{
    if (inspection->table_type[0] == '\0')
        return json_null();
    return json_pack("{so so}", "type", answer_text(inspection->table_type), "id",
                     answer_text_or_null(inspection->table_id));
}

static int inspect_run(const struct call *call, json_t **ret_answer)
{
    const char *ref = call_text(call, "ref");
    struct varve_inspection *inspection;
    int r = varve_inspect(call->varve, ref, &inspection);
    if (r < 0)
        return r;
    json_t *partitions = json_array();
    for (size_t i = 0; i < inspection->partition_count; i++)
        json_array_append_new(partitions, partition_object(&inspection->partitions[i]));
    if (json_array_size(partitions) == inspection->partition_count)
        *ret_answer = json_pack("{so so sb sI sb so so so}", "ref", answer_text(ref), "export",
                                answer_text(inspection->ref), "frozen", inspection->frozen, "size",
                                (json_int_t)inspection->size, "blank", inspection->blank,
                                "partition_table", table_object(inspection), "content",
                                content_object(&inspection->content), "partitions", partitions);
    else
        json_decref(partitions);
    varve_inspection_free(inspection);
    return 0;
}

static const struct parameter inspect_parameters[] = {{"ref", PARAMETER_TEXT, true},
                                                      {NULL, PARAMETER_TEXT, false}};

const struct request_row control_inspect[] = {
    {"GET", "/v1/inspect", "Partitions and file systems of a volume.", inspect_parameters,
     inspect_run},
    {NULL, NULL, NULL, NULL, NULL},
};
