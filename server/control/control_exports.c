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

const struct request_row control_exports[] = {
    {"GET", "/v1/exports", "All exports, by the names that clients ask for.", NULL, list_run},
    {NULL, NULL, NULL, NULL, NULL},
};
