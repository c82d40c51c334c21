/* varve snapshots: the group, and the verbs that change nothing. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "field.h"
#include "size.h"
#include "snapshot_verbs.h"
#include "table.h"

static int names_only;

int snapshot_fetch(const struct invocation *invocation, const char *ref, json_t **ret_snapshot)
{
    return client_ask(invocation, "GET", client_target("/v1/snapshots/", ref, ""), NULL,
                      ret_snapshot);
}

static void print_table(const json_t *snapshots)
{
    static const char *const headings[] = {"SNAPSHOT", "SIZE",  "MAPPED",  "CREATED", "BY",
                                           "CLIENTS",  "HOLDS", "MESSAGE", NULL};
    struct table *table = table_new("lrrllrrl", headings);
    size_t i;
    json_t *snapshot;
    json_array_foreach(snapshots, i, snapshot)
    {
        const bool scheduled = field_number(snapshot, "schedule") != 0;
        table_text(table, field_text(snapshot, "ref"));
        table_size(table, field_number(snapshot, "size"));
        table_size(table, field_number(snapshot, "mapped_bytes"));
        table_text(table, field_text(snapshot, "created"));
        table_text(table, scheduled ? "schedule" : field_text(snapshot, "who"));
        table_number(table, field_number(snapshot, "connections"));
        table_number(table, field_number(snapshot, "holds"));
        table_text(table,
                   field_flag(snapshot, "damaged") ? "(damaged)" : field_text(snapshot, "message"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    char *target = invocation->argument_count > 0
                       ? client_target("/v1/snapshots?volume=", invocation->arguments[0], "")
                       : client_target("/v1/snapshots", "", "");
    json_t *answer = NULL;
    int code = client_ask(invocation, "GET", target, NULL, &answer);
    if (names_only)
        return client_finish_names(invocation, code, answer, "snapshots", "ref");
    return client_finish_list(invocation, code, answer, "snapshots", print_table,
                              "No snapshots yet. Take one with: varve snapshots create VOLUME");
}

static void print_page(const json_t *snapshot)
{
    char line[64];
    const uint64_t every = field_number(snapshot, "schedule");
    field_print("Snapshot", field_text(snapshot, "ref"));
    if (field_flag(snapshot, "damaged"))
        field_print("State", "damaged: the store does not hold its image");
    field_print_exact_size("Size", field_number(snapshot, "size"));
    field_print_usage(snapshot);
    field_print("Created", field_text(snapshot, "created"));
    field_print("By", field_text(snapshot, "who"));
    if (every != 0) {
        snprintf(line, sizeof line, "every %" PRIu64 " seconds", every);
        field_print("Schedule", line);
    }
    field_print("Message", field_text(snapshot, "message"));
    field_print_number("Image", field_number(snapshot, "image"));
    field_print_number("Connections", field_number(snapshot, "connections"));
    field_print_number("Holds", field_number(snapshot, "holds"));
}

static int run_show(const struct invocation *invocation)
{
    json_t *snapshot = NULL;
    char *target = client_target("/v1/snapshots/", invocation->arguments[0], "?usage=true");
    int code = client_request_long(invocation, "GET", target, NULL, &snapshot);
    free(target);
    return client_finish(invocation, code, snapshot, print_page);
}

static const struct poptOption list_options[] = {
    {"names", '\0', POPT_ARG_NONE, &names_only, 0, "print refs alone, one a line", NULL},
    POPT_TABLEEND};

static const struct command snapshot_list = {
    .name = "list",
    .summary = "Lists the snapshots of a volume, or of all, oldest first.",
    .arguments = "[VOLUME]",
    .details =
        "MAPPED is what the snapshot holds, shared with others or not. A snapshot stays when\n"
        "its volume is deleted.",
    .example = "varve snapshots list demo",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = list_options,
    .run = run_list,
};

static const struct command snapshot_show = {
    .name = "show",
    .summary = "Shows one snapshot.",
    .arguments = "VOLUME@SNAPSHOT",
    .example = "varve snapshots show demo@before-upgrade",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_show,
};

static const struct command *const verbs[] = {
    &snapshot_create, &snapshot_list,     &snapshot_show,      &snapshot_set,
    &snapshot_delete, &snapshot_schedule, &snapshot_schedules, NULL};

const struct command command_snapshots = {
    .name = "snapshots",
    .alias = "snapshot",
    .summary = "Freezes volumes at a point in time, under names of their own.",
    .example = "varve snapshots create demo@before-upgrade -m 'all is well'",
    .commands = verbs,
};
