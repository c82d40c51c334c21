/* varve snapshots schedule and schedules. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include <varve/error.h>

#include "client.h"
#include "duration.h"
#include "field.h"
#include "snapshot_verbs.h"
#include "table.h"

static char *every_text;
static long long keep_count;
static int remove_flag;

static void print_table(const json_t *schedules)
{
    static const char *const headings[] = {"VOLUME", "EVERY", "KEEP", "LAST", "FAILURE", NULL};
    struct table *table = table_new("lrrll", headings);
    size_t i;
    json_t *schedule;
    json_array_foreach(schedules, i, schedule)
    {
        char text[DURATION_TEXT];
        table_text(table, field_text(schedule, "volume"));
        table_text(table, duration_print((int64_t)field_number(schedule, "every"), text));
        table_number(table, field_number(schedule, "keep"));
        table_text(table, field_text(schedule, "last"));
        table_text(table, field_text(schedule, "failure"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    char *target = invocation->argument_count > 0
                       ? client_target("/v1/schedules?volume=", invocation->arguments[0], "")
                       : client_target("/v1/schedules", "", "");
    json_t *answer = NULL;
    int code = client_ask(invocation, "GET", target, NULL, &answer);
    return client_finish_list(
        invocation, code, answer, "schedules", print_table,
        "No schedules yet. Make one with: varve snapshots schedule VOLUME --every 1h --keep 24");
}

static int request(const struct invocation *invocation, const char *method, json_t *parameters,
                   json_t **ret_answer)
{
    return client_ask(invocation, method,
                      client_target("/v1/schedules/", invocation->arguments[0], ""), parameters,
                      ret_answer);
}

static int remove_schedule(const struct invocation *invocation, int64_t every)
{
    json_t *parameters = json_object(), *answer;
    if (every != 0)
        json_object_set_new(parameters, "every", json_integer(every));
    int code = request(invocation, "DELETE", parameters, &answer);
    if (code != EXIT_DONE)
        return code;
    char text[DURATION_TEXT];
    if (invocation->json)
        client_print_json(answer);
    else if (every != 0)
        printf("Removed schedule: %s every %s\n", invocation->arguments[0],
               duration_print(every, text));
    else
        printf("Removed schedules: %s\n", invocation->arguments[0]);
    json_decref(answer);
    return EXIT_DONE;
}

static int set_schedule(const struct invocation *invocation, int64_t every)
{
    json_t *parameters =
        json_pack("{sI sI}", "every", (json_int_t)every, "keep", (json_int_t)keep_count);
    json_t *answer;
    int code = request(invocation, "POST", parameters, &answer);
    if (code != EXIT_DONE)
        return code;
    char text[DURATION_TEXT];
    if (invocation->json)
        client_print_json(answer);
    else
        printf("Scheduled snapshots: %s every %s, the newest %lld kept\n", invocation->arguments[0],
               duration_print(every, text), keep_count);
    json_decref(answer);
    return EXIT_DONE;
}

static int run_schedule(const struct invocation *invocation)
{
    int64_t every = 0;
    if (every_text != NULL && duration_parse(every_text, &every) < 0)
        return command_fail(EXIT_USAGE, "%s", varve_error());
    if (every_text != NULL && every == 0)
        return command_fail(EXIT_USAGE, "--every '%s' is no time at all: take 1s or more",
                            every_text);
    if (remove_flag && keep_count != 0)
        return command_fail(EXIT_USAGE, "--remove takes no --keep: what was taken stays");
    if (remove_flag)
        return remove_schedule(invocation, every);
    if (every_text == NULL)
        return command_fail(EXIT_USAGE, "how often? Say --every INTERVAL, like --every 1h");
    if (keep_count < 1)
        return command_fail(EXIT_USAGE,
                            "how many are to be kept? Say --keep COUNT, 1 or more, like --keep 24");
    return set_schedule(invocation, every);
}

static const struct poptOption schedule_options[] = {
    {"every", '\0', POPT_ARG_STRING, &every_text, 0, "how often, like 15m, 1h or 1d", "INTERVAL"},
    {"keep", '\0', POPT_ARG_LONGLONG, &keep_count, 0, "how many of them to keep", "COUNT"},
    {"remove", '\0', POPT_ARG_NONE, &remove_flag, 0,
     "no longer: with --every the one of that interval, else all of the volume", NULL},
    POPT_TABLEEND};

const struct command snapshot_schedule = {
    .name = "schedule",
    .summary = "Has the server take snapshots of a volume at an interval, and keep the newest.",
    .arguments = "VOLUME --every INTERVAL --keep COUNT | --remove",
    .details =
        "A volume can have several schedules of different intervals; one of the same interval\n"
        "gets the new count. Each deletes only what it took itself, and never what is held or\n"
        "attached. Snapshots are taken while the store is served, the first at once. One that\n"
        "fails (no space for a reserved volume) is tried again soon, and none is deleted\n"
        "meanwhile; 'varve snapshots schedules' says why.",
    .example = "varve snapshots schedule demo --every 1h --keep 24\n"
               "varve snapshots schedule demo --every 1d --keep 30\n"
               "varve snapshots schedule demo --every 1h --remove",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = schedule_options,
    .run = run_schedule,
};

const struct command snapshot_schedules = {
    .name = "schedules",
    .summary = "Lists schedules, when each took a snapshot last, and why one fails now.",
    .arguments = "[VOLUME]",
    .example = "varve snapshots schedules demo",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_list,
};
