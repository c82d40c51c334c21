/* Moving together what lies scattered. */
#include <jansson.h>

#include <varve/compact.h>
#include <varve/progress.h>

#include "control/request.h"

static int compact_run(const struct call *call, json_t **ret_answer)
{
    struct varve_compact_result result;
    varve_operation_describe("compaction of %s", call->name);
    int r = varve_compact(call->varve, call->name, call_number(call, "rate", 0), &result);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so sI sI sI sI}", "ref", answer_text(result.ref), "moved_bytes",
                            (json_int_t)result.moved, "in_order_bytes", (json_int_t)result.in_order,
                            "shared_bytes", (json_int_t)result.shared, "scattered_bytes",
                            (json_int_t)result.scattered);
    return 0;
}

const struct request_row control_compact[] = {
    {"POST", "/v1/volumes/{name}/compact",
     "Moves the blocks of a volume, snapshot or version into their logical order; what it holds "
     "stays. `rate` is in bytes a second.",
     parameters_of_rate, compact_run},
    {NULL, NULL, NULL, NULL, NULL},
};
