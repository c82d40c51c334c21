/* Exports: what clients can attach. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/export.h>

#include "control/request.h"

static int list_visit(void *opaque, const char *ref, const char *description)
{
    json_t *export =
        json_pack("{so so}", "ref", answer_text(ref), "description", answer_text(description));
    if (json_array_append_new(opaque, export) < 0)
        return varve_fail(ENOMEM, "no memory for a list of exports");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *exports = json_array();
    int r = exports != NULL ? varve_export_list(call->varve, list_visit, exports) : 0;
    if (r < 0) {
        json_decref(exports);
        return r;
    }
    *ret_answer = json_pack("{so}", "exports", exports);
    return 0;
}

/* Opened as a client would, so that what is refused there is refused here, for the same reason. */
static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_export *export = NULL;
    int r = varve_export_open(call->varve, call->name, "varve exports", true, &export);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so sI so}", "ref", answer_text(call->name), "size",
                            (json_int_t)varve_export_size(export), "description",
                            answer_text(varve_export_description(export)));
    varve_export_close(export);
    return 0;
}

const struct request_row control_exports[] = {
    {"GET", "/v1/exports", "All exports, by the names that clients ask for.", NULL, list_run},
    {"GET", "/v1/exports/{name}", "Size and description of what a ref, or A..B, names.", NULL,
     show_run},
    {NULL, NULL, NULL, NULL, NULL},
};
