/* The store as a whole: what runs, its counters, its check. */
#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <unistd.h>

#include <varve/error.h>
#include <varve/progress.h>
#include <varve/scrub.h>
#include <varve/server.h>

#include "control/request.h"

static int ping_run(const struct call *call, json_t **ret_answer)
{
    *ret_answer = json_pack("{ss so sI}", "version", VARVE_VERSION, "store",
                            answer_text(varve_directory(call->varve)), "pid", (json_int_t)getpid());
    return 0;
}

static json_t *space_object(const struct varve_stats *stats)
{
    return json_pack("{sI sI sI sI sI sI sI sI sI sI}", "limit_bytes",
                     (json_int_t)stats->limit_bytes, "file_bytes", (json_int_t)stats->file_bytes,
                     "logical_bytes", (json_int_t)stats->logical_bytes, "mapped_bytes",
                     (json_int_t)stats->mapped_bytes, "used_bytes", (json_int_t)stats->used_bytes,
                     "metadata_bytes", (json_int_t)stats->metadata_bytes, "catalog_bytes",
                     (json_int_t)stats->catalog_bytes, "free_bytes", (json_int_t)stats->free_bytes,
                     "held_bytes", (json_int_t)stats->held_bytes, "reserve_bytes",
                     (json_int_t)stats->reserve_bytes);
}

static json_t *traffic_object(const struct varve_stats *stats)
{
    return json_pack("{sI sI sI sI sI sI sI sI}", "reads", (json_int_t)stats->reads, "read_bytes",
                     (json_int_t)stats->read_bytes, "writes", (json_int_t)stats->writes,
                     "write_bytes", (json_int_t)stats->write_bytes, "flushes",
                     (json_int_t)stats->flushes, "trims", (json_int_t)stats->trims, "trim_bytes",
                     (json_int_t)stats->trim_bytes, "device_write_bytes",
                     (json_int_t)stats->device_write_bytes);
}

static json_t *journal_object(const struct varve_stats *stats)
{
    json_t *age = stats->checkpoint_age >= 0 ? json_real(stats->checkpoint_age) : json_null();
    return json_pack("{sI sI sI sI so sI sI}", "journal_bytes", (json_int_t)stats->journal_bytes,
                     "journal_used_bytes", (json_int_t)stats->journal_used_bytes, "commits",
                     (json_int_t)stats->commits, "checkpoints", (json_int_t)stats->checkpoints,
                     "checkpoint_age_seconds", age, "dirty_bytes", (json_int_t)stats->dirty_bytes,
                     "reclaim_pending", (json_int_t)stats->reclaim_pending);
}

/* null when there is none in the background */
static json_t *scrub_object(struct varve *varve)
{
    struct varve_scrub_state s;
    if (!varve_scrub_get(varve, &s))
        return json_null();
    return json_pack("{sI sb sI sI sI sI sI sI sI so sI}", "rate", (json_int_t)s.rate, "running",
                     s.running, "passes", (json_int_t)s.passes, "bytes_read",
                     (json_int_t)s.bytes_read, "pass_bytes", (json_int_t)s.pass_bytes,
                     "total_bytes", (json_int_t)s.total_bytes, "damaged", (json_int_t)s.damaged,
                     "image", (json_int_t)s.image, "offset", (json_int_t)s.offset, "finished_at",
                     s.finished > 0 ? answer_time(s.finished) : json_null(), "finished_damaged",
                     (json_int_t)s.finished_damaged);
}

static void add_note(void *opaque, const char *line)
{
    json_array_append_new(opaque, answer_text(line));
}

static int stats_run(const struct call *call, json_t **ret_answer)
{
    struct varve_stats stats;
    varve_get_stats(call->varve, &stats);
    json_t *notes = json_array();
    if (notes != NULL)
        varve_notes(call->varve, add_note, notes);
    *ret_answer = json_pack("{so so so so sI sI sb so}", "space", space_object(&stats), "traffic",
                            traffic_object(&stats), "scrub", scrub_object(call->varve), "journal",
                            journal_object(&stats), "checksum_errors",
                            (json_int_t)stats.checksum_errors, "cache_bytes",
                            (json_int_t)stats.cache_bytes, "failed", stats.failed, "notes", notes);
    return 0;
}

/* Every problem is counted; this many are told. */
enum { REPORT_LINES_MAX = 1000 };

static void add_problem(void *opaque, const char *line)
{
    if (json_array_size(opaque) < REPORT_LINES_MAX)
        json_array_append_new(opaque, answer_text(line));
}

/* One check at a time in a process: it reads the whole store and remembers a count for each block.
 */
static atomic_flag check_running = ATOMIC_FLAG_INIT;

static int check_run(const struct call *call, json_t **ret_answer)
{
    unsigned flags = call_flag(call, "data", false) ? VARVE_CHECK_DATA : 0;
    struct varve_check_result result = {0};
    varve_operation_describe("check of %s", varve_directory(call->varve));
    if (atomic_flag_test_and_set(&check_running))
        return varve_fail(EBUSY, "a check of this store is running; wait for it to end");
    json_t *problems = json_array();
    int r = problems != NULL ? varve_check(call->varve, flags, add_problem, problems, &result) : 0;
    atomic_flag_clear(&check_running);
    if (r < 0) {
        json_decref(problems);
        return r;
    }
    *ret_answer = json_pack("{sb sI sI sI sI so}", "data", flags != 0, "images",
                            (json_int_t)result.images, "map_pages", (json_int_t)result.map_pages,
                            "data_blocks", (json_int_t)result.data_blocks, "problems",
                            (json_int_t)result.problems, "reports", problems);
    return 0;
}

static const struct parameter check_parameters[] = {{"data", PARAMETER_FLAG, false},
                                                    {NULL, PARAMETER_TEXT, false}};

const struct request_row control_store[] = {
    {"GET", "/v1/ping", "Version, store and process.", NULL, ping_run},
    {"GET", "/v1/stats", "Space, traffic, journal and checkpoints.", NULL, stats_run},
    {"GET", "/v1/check", "Recounts all references and verifies checksums; changes nothing.",
     check_parameters, check_run},
    {NULL, NULL, NULL, NULL, NULL},
};
