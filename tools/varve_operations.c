/* varve operations: what runs long in the server, and to stop it. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "size.h"
#include "table.h"

/* "1.2 GiB of 4 GiB", "17 of 100 files", "17 files". */
static const char *amount(const json_t *operation, char text[120])
{
    const uint64_t done = field_number(operation, "done"), total = field_number(operation, "total");
    const char *unit = field_text(operation, "unit");
    char at[SIZE_TEXT], end[SIZE_TEXT];
    if (strcmp(unit, "bytes") == 0) {
        size_print(done, at);
        size_print(total, end);
        unit = "";
    } else {
        snprintf(at, sizeof at, "%llu", (unsigned long long)done);
        snprintf(end, sizeof end, "%llu", (unsigned long long)total);
    }
    snprintf(text, 120, "%s%s%s%s%s", at, total > 0 ? " of " : "", total > 0 ? end : "",
             unit[0] != '\0' ? " " : "", unit);
    return text;
}

static void print_table(const json_t *operations)
{
    static const char *const headings[] = {"TOKEN", "WHAT", "STEP", "DONE", "STARTED", NULL};
    struct table *table = table_new("lllll", headings);
    size_t i;
    json_t *operation;
    json_array_foreach(operations, i, operation)
    {
        char text[120], step[200];
        snprintf(step, sizeof step, "%s%s", field_text(operation, "step"),
                 field_flag(operation, "cancelled") ? ", cancelled" : "");
        table_text(table, field_text(operation, "token"));
        table_text(table, field_text(operation, "what"));
        table_text(table, step);
        table_text(table, amount(operation, text));
        table_text(table, field_text(operation, "started"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = client_request_server(invocation->store, "GET", "/v1/operations", NULL, &answer);
    return client_finish_list(invocation, code, answer, "operations", print_table,
                              "Nothing runs long now.");
}

static int run_cancel(const struct invocation *invocation)
{
    json_t *answer = NULL;
    char *target = client_target("/v1/operations/", invocation->arguments[0], "");
    int code = client_request_server(invocation->store, "DELETE", target, NULL, &answer);
    free(target);
    return client_finish_saying(invocation, code, answer, "Cancelled operation", "cancelled");
}

static const struct command operation_list = {
    .name = "list",
    .summary = "Lists the requests that run long, and how far they are.",
    .details = "A request goes on when the command that made it is gone. Needs a server: without\n"
               "one each command does its own work.",
    .example = "varve operations list",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .run = run_list,
};

static const struct command operation_cancel = {
    .name = "cancel",
    .summary = "Tells a request to stop and to undo what it did.",
    .arguments = "TOKEN",
    .details = "Returns at once; the command that waits for it ends with exit code 10.",
    .example = "varve operations cancel varve-3f0c2a9b64d1e875",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .run = run_cancel,
};

static const struct command *const verbs[] = {&operation_list, &operation_cancel, NULL};

const struct command command_operations = {
    .name = "operations",
    .alias = "operation",
    .summary = "Shows what runs long in the server, and cancels it.",
    .example = "varve operations list",
    .commands = verbs,
};
