/* varve du: where the space went. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "size.h"
#include "table.h"

static void add_row(struct table *table, const json_t *usage)
{
    table_text(table, field_text(usage, "kind"));
    table_text(table, field_text(usage, "ref"));
    table_size(table, field_number(usage, "size"));
    table_size(table, field_number(usage, "mapped_bytes"));
    table_size(table, field_number(usage, "unique_bytes"));
    table_size(table, field_number(usage, "shared_bytes"));
    table_size(table, field_number(usage, "reclaimable_bytes"));
}

static void print_table(const json_t *list)
{
    static const char *const headings[] = {"KIND",   "REF",    "SIZE",        "MAPPED",
                                           "UNIQUE", "SHARED", "RECLAIMABLE", NULL};
    struct table *table = table_new("llrrrrr", headings);
    size_t i;
    json_t *usage;
    json_array_foreach(list, i, usage) add_row(table, usage);
    table_print(table, stdout);
    table_free(table);
}

static void print_sharers(const json_t *list)
{
    size_t i, j;
    json_t *usage, *sharer;
    json_array_foreach(list, i, usage)
    {
        const json_t *sharers = json_object_get(usage, "shared_with");
        char *ref = table_clean(field_text(usage, "ref"));
        json_array_foreach(sharers, j, sharer)
        {
            char bytes[SIZE_TEXT];
            char *with = table_clean(field_text(sharer, "ref"));
            printf("%s shares %s with %s %s\n", ref,
                   size_print(field_number(sharer, "bytes"), bytes), field_text(sharer, "kind"),
                   with);
            free(with);
        }
        free(ref);
    }
}

static void print_list(const json_t *list)
{
    print_table(list);
    print_sharers(list);
}

/* The answers for all refs in one list, as for no ref. */
static int fetch(const struct invocation *invocation, json_t **ret_answer)
{
    if (invocation->argument_count == 0)
        return client_request_long(invocation, "GET", "/v1/usage", NULL, ret_answer);
    json_t *list = json_array();
    for (int i = 0; i < invocation->argument_count; i++) {
        char *target = client_target("/v1/usage/", invocation->arguments[i], "");
        json_t *usage;
        int code = client_request_long(invocation, "GET", target, NULL, &usage);
        free(target);
        if (code != EXIT_DONE) {
            json_decref(list);
            return code;
        }
        json_array_append_new(list, usage);
    }
    *ret_answer = json_pack("{so}", "usage", list);
    return EXIT_DONE;
}

static int run_du(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = fetch(invocation, &answer);
    return client_finish_list(invocation, code, answer, "usage", print_list,
                              "Nothing is there yet");
}

const struct command command_du = {
    .name = "du",
    .summary = "Shows what volumes, snapshots and versions use, and what they share.",
    .arguments = "[REF...]",
    .details =
        "MAPPED is data, shared or not; UNIQUE is referred to by nothing else; RECLAIMABLE comes\n"
        "back when this one alone is deleted. With REF it also says who shares its blocks.",
    .example = "varve du\n"
               "varve du demo demo@monday",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_max = 64,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_du,
};
