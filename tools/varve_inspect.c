/* varve inspect: what is on a volume. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "size.h"
#include "table.h"

/* "clean", "not clean: journal needs recovery", ... in `text`. */
static const char *state(const json_t *content, char text[160])
{
    const char *reason = field_text(content, "clean_reason");
    snprintf(text, 160, "%.40s%s%.100s", field_text(content, "clean"),
             reason[0] != '\0' ? ": " : "", reason);
    return text;
}

static const char *type(const json_t *content)
{
    return field_flag(content, "ambiguous") ? "ambiguous" : field_text(content, "type");
}

static void print_partitions(const json_t *partitions)
{
    static const char *const headings[] = {"NO",      "START", "SIZE", "KIND",  "NAME",
                                           "CONTENT", "LABEL", "UUID", "STATE", NULL};
    struct table *table = table_new("rrrllllll", headings);
    size_t i;
    json_t *partition;
    json_array_foreach(partitions, i, partition)
    {
        char text[160];
        const json_t *content = json_object_get(partition, "content");
        const char *kind = field_text(partition, "type_name");
        table_number(table, field_number(partition, "number"));
        table_size(table, field_number(partition, "start"));
        table_size(table, field_number(partition, "size"));
        table_text(table, kind[0] != '\0' ? kind : field_text(partition, "type"));
        table_text(table, field_text(partition, "name"));
        table_text(table, type(content));
        table_text(table, field_text(content, "label"));
        table_text(table, field_text(content, "uuid"));
        table_text(table, state(content, text));
    }
    table_print(table, stdout);
    table_free(table);
}

static void print_content(const json_t *content)
{
    char text[160];
    field_print("Content", type(content));
    if (field_text(content, "version")[0] != '\0')
        field_print("Version", field_text(content, "version"));
    field_print("Label", field_text(content, "label"));
    field_print("UUID", field_text(content, "uuid"));
    field_print("State", state(content, text));
}

static void print_inspection(const json_t *answer)
{
    const json_t *table = json_object_get(answer, "partition_table");
    const json_t *content = json_object_get(answer, "content");
    field_print("Volume", field_text(answer, "ref"));
    field_print_size("Size", field_number(answer, "size"));
    if (json_is_object(table)) {
        field_print("Partition table", field_text(table, "type"));
        field_print("Disk id", field_text(table, "id"));
        if (json_array_size(json_object_get(answer, "partitions")) > 0) {
            putchar('\n');
            print_partitions(json_object_get(answer, "partitions"));
        } else {
            field_print("Partitions", "none");
        }
    } else if (json_is_object(content)) {
        print_content(content);
    } else {
        field_print("Content", field_flag(answer, "blank") ? "blank: never written, or trimmed"
                                                           : "nothing that is known");
    }
}

static int run(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code =
        client_ask(invocation, "GET",
                   client_target("/v1/inspect?ref=", invocation->arguments[0], ""), NULL, &answer);
    return client_finish(invocation, code, answer, print_inspection);
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "Shows partitions and file systems of a volume, and how they were left.",
    .arguments = "REF",
    .details = "Reads straight from the store, attached or not; no mount and no root is needed.",
    .example = "varve inspect demo",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run,
};
