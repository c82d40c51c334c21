/* The scrub: a pass on demand. How the one in the background is doing is in the store's stats. */
#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>

#include <varve/error.h>
#include <varve/progress.h>
#include <varve/scrub.h>
#include <varve/server.h>

#include "control/request.h"

/* Every damaged block is counted; this many are told. */
enum { REPORT_LINES_MAX = 1000 };

static void add_report(void *opaque, const char *line)
{
    if (json_array_size(opaque) < REPORT_LINES_MAX)
        json_array_append_new(opaque, answer_text(line));
}

/* One at a time: two would only share the rate of the device. */
static atomic_flag scrub_runs = ATOMIC_FLAG_INIT;

static int scrub_run(const struct call *call, json_t **ret_answer)
{
    struct varve_scrub_result result = {0};
    varve_operation_describe("scrub of %s", varve_directory(call->varve));
    if (atomic_flag_test_and_set(&scrub_runs))
        return varve_fail(EBUSY, "a scrub of this store is running; wait for it to end");
    json_t *reports = json_array();
    int r = reports != NULL ? varve_scrub(call->varve, call_number(call, "rate", 0), add_report,
                                          reports, &result)
                            : 0;
    atomic_flag_clear(&scrub_runs);
    if (r < 0) {
        json_decref(reports);
        return r;
    }
    *ret_answer = json_pack("{sI sI so}", "bytes_read", (json_int_t)result.bytes_read, "damaged",
                            (json_int_t)result.damaged, "reports", reports);
    return 0;
}

const struct request_row control_scrub[] = {
    {"GET", "/v1/scrub",
     "Reads everything from the device and verifies checksums; changes nothing. `rate` is in bytes "
     "a second.",
     parameters_of_rate, scrub_run},
    {NULL, NULL, NULL, NULL, NULL},
};
