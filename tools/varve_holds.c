/* varve holds: reasons why something must be kept. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "table.h"

static char *add_reason;

static void print_held(const json_t *hold)
{
    printf("Held %s: %s (hold %" PRIu64 ")\n", field_text(hold, "kind"), field_text(hold, "ref"),
           field_number(hold, "number"));
}

static int run_add(const struct invocation *invocation)
{
    if (add_reason == NULL)
        return command_fail(EXIT_USAGE, "why is it to be kept? Say --reason TEXT");
    json_t *hold = NULL;
    int code = client_change(
        invocation, client_target("/v1/holds", "", ""),
        json_pack("{ss ss}", "ref", invocation->arguments[0], "reason", add_reason), &hold);
    return client_finish(invocation, code, hold, print_held);
}

static void print_table(const json_t *holds)
{
    static const char *const headings[] = {"HOLD", "KIND", "REF", "REASON", "BY", "SINCE", NULL};
    struct table *table = table_new("rlllll", headings);
    size_t i;
    json_t *hold;
    json_array_foreach(holds, i, hold)
    {
        table_number(table, field_number(hold, "number"));
        table_text(table, field_text(hold, "kind"));
        table_text(table, field_text(hold, "ref"));
        table_text(table, field_text(hold, "reason"));
        table_text(table, field_text(hold, "who"));
        table_text(table, field_text(hold, "created"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    char *target = invocation->argument_count > 0
                       ? client_target("/v1/holds?ref=", invocation->arguments[0], "")
                       : client_target("/v1/holds", "", "");
    json_t *answer = NULL;
    int code = client_ask(invocation, "GET", target, NULL, &answer);
    return client_finish_list(invocation, code, answer, "holds", print_table,
                              "No holds. Make one with: varve holds add REF --reason TEXT");
}

static void print_released(const json_t *answer)
{
    const uint64_t count = field_number(answer, "released");
    printf("Released %" PRIu64 " hold%s\n", count, count == 1 ? "" : "s");
}

static int run_release(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = client_ask(invocation, "DELETE",
                          client_target("/v1/holds/", invocation->arguments[0], ""), NULL, &answer);
    return client_finish(invocation, code, answer, print_released);
}

static const struct poptOption add_options[] = {
    {"reason", 'r', POPT_ARG_STRING, &add_reason, 0, "why it is to be kept", "TEXT"},
    POPT_TABLEEND};

static const struct command hold_add = {
    .name = "add",
    .summary = "Holds a volume, snapshot or version: it cannot be deleted or rolled back.",
    .arguments = "REF --reason TEXT",
    .details = "There can be any number of holds on one thing; each is released by itself.",
    .example = "varve holds add demo --reason 'audit until March'",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = add_options,
    .run = run_add,
};

static const struct command hold_list = {
    .name = "list",
    .summary = "Lists holds, of one thing or of all.",
    .arguments = "[REF]",
    .example = "varve holds list",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_list,
};

static const struct command hold_release = {
    .name = "release",
    .summary = "Releases one hold by its number, or all holds of a thing.",
    .arguments = "NUMBER|REF",
    .example = "varve holds release 3\n"
               "varve holds release demo",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_release,
};

static const struct command *const verbs[] = {&hold_add, &hold_list, &hold_release, NULL};

const struct command command_holds = {
    .name = "holds",
    .alias = "hold",
    .summary = "Keeps volumes, snapshots and versions from being deleted.",
    .example = "varve holds add demo --reason 'audit until March'",
    .commands = verbs,
};
