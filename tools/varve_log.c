/* varve log: who changed what, and when. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "table.h"

enum { LIMIT_OF_PEOPLE = 100 };

static char *kind_text;
static int limit_number = -1;

static void print_table(const json_t *events)
{
    static const char *const headings[] = {"TIME", "WHO", "KIND", "OBJECT", "WHAT", NULL};
    struct table *table = table_new("lllll", headings);
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        table_text(table, field_text(event, "time"));
        table_text(table, field_text(event, "who"));
        table_text(table, field_text(event, "kind"));
        table_text(table, field_text(event, "object"));
        table_text(table, field_text(event, "what"));
    }
    table_print(table, stdout);
    table_free(table);
}

static char *target_of(const struct invocation *invocation, unsigned limit)
{
    char number[32];
    snprintf(number, sizeof number, "%u", limit);
    char *target = client_target("/v1/history?limit=", number, "");
    const char *const texts[][2] = {
        {"&ref=", invocation->argument_count > 0 ? invocation->arguments[0] : NULL},
        {"&kind=", kind_text}};
    for (size_t i = 0; i < 2; i++) {
        if (texts[i][1] == NULL)
            continue;
        char *more = client_target(texts[i][0], texts[i][1], "");
        char *whole = NULL;
        if (asprintf(&whole, "%s%s", target, more) < 0)
            abort();
        free(target);
        free(more);
        target = whole;
    }
    return target;
}

static int run_log(const struct invocation *invocation)
{
    if (limit_number < -1)
        return command_fail(EXIT_USAGE, "--limit takes a number from 0 (all), not %d",
                            limit_number);
    unsigned limit = limit_number >= 0  ? (unsigned)limit_number
                     : invocation->json ? 0
                                        : LIMIT_OF_PEOPLE;
    json_t *answer = NULL;
    int code = client_ask(invocation, "GET", target_of(invocation, limit), NULL, &answer);
    return client_finish_list(invocation, code, answer, "events", print_table,
                              "Nothing in the history");
}

static const struct poptOption log_options[] = {
    {"kind", 'k', POPT_ARG_STRING, &kind_text, 0,
     "only of this kind: volume, snapshot, dataset, version, tag ...", "KIND"},
    {"limit", 'n', POPT_ARG_INT, &limit_number, 0, "at most so many; 0: all", "N"},
    POPT_TABLEEND};

const struct command command_log = {
    .name = "log",
    .summary = "Shows who changed what and when, newest first.",
    .arguments = "[REF]",
    .details =
        "With REF only the history of that, and of the snapshots or versions under it. What\n"
        "is deleted keeps its history. People get the newest 100 unless --limit says\n"
        "otherwise; --json gives all.",
    .example = "varve log\n"
               "varve log demo --limit 20\n"
               "varve log --kind snapshot --json",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = log_options,
    .run = run_log,
};
