/* varve stats: space, traffic, journal. */
#include <jansson.h>
#include <stdio.h>

#include "client.h"
#include "command.h"
#include "field.h"

static void print_space(const json_t *space)
{
    const uint64_t mapped = field_number(space, "mapped_bytes");
    const uint64_t data = field_number(space, "used_bytes") -
                          field_number(space, "metadata_bytes") -
                          field_number(space, "catalog_bytes");
    puts("Space");
    field_print_size("  limit", field_number(space, "limit_bytes"));
    field_print_size("  file", field_number(space, "file_bytes"));
    field_print_size("  used", field_number(space, "used_bytes"));
    field_print_size("  metadata", field_number(space, "metadata_bytes"));
    field_print_size("  catalog copies", field_number(space, "catalog_bytes"));
    field_print_size("  free", field_number(space, "free_bytes"));
    field_print_size("  held back", field_number(space, "held_bytes"));
    field_print_size("  reserve", field_number(space, "reserve_bytes"));
    field_print_size("  logical", field_number(space, "logical_bytes"));
    field_print_size("  mapped", mapped);
    field_print_size("  saved by sharing", mapped > data ? mapped - data : 0);
}

static void print_traffic(const json_t *traffic)
{
    puts("Traffic since the store was opened");
    field_print_number("  reads", field_number(traffic, "reads"));
    field_print_size("  read", field_number(traffic, "read_bytes"));
    field_print_number("  writes", field_number(traffic, "writes"));
    field_print_size("  written", field_number(traffic, "write_bytes"));
    field_print_number("  flushes", field_number(traffic, "flushes"));
    field_print_number("  trims", field_number(traffic, "trims"));
    field_print_size("  trimmed", field_number(traffic, "trim_bytes"));
    field_print_size("  written below", field_number(traffic, "device_write_bytes"));
}

static void print_journal(const json_t *journal)
{
    char age[40] = "none since it was opened";
    if (json_is_number(json_object_get(journal, "checkpoint_age_seconds")))
        snprintf(age, sizeof age, "%.1f s ago", field_real(journal, "checkpoint_age_seconds"));
    puts("Journal and checkpoints");
    field_print_size("  journal", field_number(journal, "journal_bytes"));
    field_print_size("  journal used", field_number(journal, "journal_used_bytes"));
    field_print_number("  commits", field_number(journal, "commits"));
    field_print_number("  checkpoints", field_number(journal, "checkpoints"));
    field_print("  last checkpoint", age);
    field_print_size("  dirty", field_number(journal, "dirty_bytes"));
    field_print_number("  reclaim pending", field_number(journal, "reclaim_pending"));
}

static void print_scrub(const json_t *scrub)
{
    if (!json_is_object(scrub))
        return;
    puts("Scrub in the background");
    field_print_size("  rate, in a second", field_number(scrub, "rate"));
    field_print("  state", field_flag(scrub, "running") ? "a pass is under way" : "waits");
    field_print_size("  read in this pass", field_number(scrub, "pass_bytes"));
    field_print_size("  of about", field_number(scrub, "total_bytes"));
    field_print_number("  damaged blocks in it", field_number(scrub, "damaged"));
    field_print_number("  passes finished", field_number(scrub, "passes"));
    if (json_is_string(json_object_get(scrub, "finished_at"))) {
        field_print("  last one finished", field_text(scrub, "finished_at"));
        field_print_number("  damaged blocks then", field_number(scrub, "finished_damaged"));
    }
}

static void print_health(const json_t *answer)
{
    const json_t *notes = json_object_get(answer, "notes");
    size_t i;
    json_t *line;
    puts("Health");
    field_print("  state", field_flag(answer, "failed")
                               ? "failed: refuses writes until it is opened again"
                               : "good");
    field_print_number("  checksum errors", field_number(answer, "checksum_errors"));
    field_print_size("  cache", field_number(answer, "cache_bytes"));
    json_array_foreach(notes, i, line) field_print("  note", json_string_value(line));
}

static void print_stats(const json_t *answer)
{
    print_space(json_object_get(answer, "space"));
    print_traffic(json_object_get(answer, "traffic"));
    print_journal(json_object_get(answer, "journal"));
    print_scrub(json_object_get(answer, "scrub"));
    print_health(answer);
}

static int run(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = client_request(invocation->store, "GET", "/v1/stats", NULL, &answer);
    return client_finish(invocation, code, answer, print_stats);
}

const struct command command_stats = {
    .name = "stats",
    .summary = "Shows space, traffic, journal and health of a store.",
    .details =
        "LIMIT is what the store may grow to and FILE what it has grown to. HELD BACK was freed\n"
        "and waits for a checkpoint; RESERVE is kept so that deletes, flushes and overwrites\n"
        "always work. LOGICAL is the sum of all volumes' sizes, MAPPED what they hold, shared\n"
        "blocks counted each time.",
    .example = "varve stats --json | jq .space.free_bytes",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .run = run,
};
