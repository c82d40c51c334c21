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

static int run_add(const struct invocation *invocation)
{
    if (add_reason == NULL)
        return command_fail(EXIT_USAGE, "why is it to be kept? Say --reason TEXT");
    json_t *parameters =
        json_pack("{ss ss}", "ref", invocation->arguments[0], "reason", add_reason);
    if (parameters == NULL)
        return command_fail(EXIT_USAGE, "an argument is not UTF-8 text");
    json_t *hold;
    int code = client_request(invocation->store, "POST", "/v1/holds", parameters, &hold);
    json_decref(parameters);
    if (code != EXIT_DONE)
        return code;
    if (invocation->json)
        client_print_json(hold);
    else
        printf("Held %s: %s (hold %" PRIu64 ")\n", field_text(hold, "kind"),
               field_text(hold, "ref"), field_number(hold, "number"));
    json_decref(hold);
    return EXIT_DONE;
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
    json_t *answer;
    int code = client_request(invocation->store, "GET", target, NULL, &answer);
    free(target);
    if (code != EXIT_DONE)
        return code;
    const json_t *holds = json_object_get(answer, "holds");
    if (invocation->json)
        client_print_json(answer);
    else if (json_array_size(holds) > 0)
        print_table(holds);
    else
        fprintf(stderr, "No holds. Make one with: varve holds add REF --reason TEXT\n");
    json_decref(answer);
    return EXIT_DONE;
}

static int run_release(const struct invocation *invocation)
{
    char *target = client_target("/v1/holds/", invocation->arguments[0], "");
    json_t *answer;
    int code = client_request(invocation->store, "DELETE", target, NULL, &answer);
    free(target);
    if (code != EXIT_DONE)
        return code;
    const uint64_t count = field_number(answer, "released");
    if (invocation->json)
        client_print_json(answer);
    else
        printf("Released %" PRIu64 " hold%s\n", count, count == 1 ? "" : "s");
    json_decref(answer);
    return EXIT_DONE;
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
