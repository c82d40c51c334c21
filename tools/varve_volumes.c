/* varve volumes: the group, and the verbs that change nothing. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "size.h"
#include "table.h"
#include "volume_verbs.h"

static int names_only;

/* "shared,reserved", or "". */
static const char *switches(const json_t *volume, char text[40])
{
    const bool shared = field_flag(volume, "shared"), reserved = field_flag(volume, "reserved");
    snprintf(text, 40, "%s%s%s", shared ? "shared" : "", shared && reserved ? "," : "",
             reserved ? "reserved" : "");
    return field_flag(volume, "damaged") ? "damaged" : text;
}

static void print_table(const json_t *volumes)
{
    static const char *const headings[] = {"NAME",    "SIZE",   "MAPPED", "SWITCHES",
                                           "CLIENTS", "WRITER", NULL};
    struct table *table = table_new("lrrlrl", headings);
    size_t i;
    json_t *volume;
    json_array_foreach(volumes, i, volume)
    {
        char text[40];
        table_text(table, field_text(volume, "name"));
        table_size(table, field_number(volume, "size"));
        table_size(table, field_number(volume, "mapped_bytes"));
        table_text(table, switches(volume, text));
        table_number(table, field_number(volume, "connections"));
        table_text(table, field_text(volume, "writer"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = client_request(invocation->store, "GET", "/v1/volumes", NULL, &answer);
    if (names_only)
        return client_finish_names(invocation, code, answer, "volumes", "name");
    return client_finish_list(
        invocation, code, answer, "volumes", print_table,
        "No volumes yet. Make one with: varve volumes create NAME --size 10G");
}

static void print_page(const json_t *volume)
{
    field_print("Name", field_text(volume, "name"));
    if (field_flag(volume, "damaged"))
        field_print("State", "damaged: the store does not hold its image");
    field_print_exact_size("Size", field_number(volume, "size"));
    field_print_usage(volume);
    field_print("Created", field_text(volume, "created"));
    field_print("Shareable", field_flag(volume, "shared") ? "yes" : "no");
    field_print("Reserved", field_flag(volume, "reserved") ? "yes" : "no");
    if (field_flag(volume, "reserved"))
        field_print_exact_size("Set aside", field_number(volume, "set_aside_bytes"));
    field_print_number("Image", field_number(volume, "image"));
    field_print_number("Connections", field_number(volume, "connections"));
    field_print("Writer", field_text(volume, "writer"));
}

static int run_show(const struct invocation *invocation)
{
    json_t *volume = NULL;
    char *target = client_target("/v1/volumes/", invocation->arguments[0], "");
    int code = client_request_long(invocation, "GET", target, NULL, &volume);
    free(target);
    return client_finish(invocation, code, volume, print_page);
}

static const struct poptOption list_options[] = {
    {"names", '\0', POPT_ARG_NONE, &names_only, 0, "print names alone, one a line", NULL},
    POPT_TABLEEND};

const struct command volume_list = {
    .name = "list",
    .summary = "Lists all volumes, their sizes and who writes to them.",
    .details = "MAPPED is what the volume holds, shared with others or not. CLIENTS counts the\n"
               "connections of now, WRITER is the client that holds the volume for writing.",
    .example = "varve volumes list\n"
               "varve volumes list --json | jq -r '.volumes[].name'",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .options = list_options,
    .run = run_list,
};

const struct command volume_show = {
    .name = "show",
    .summary = "Shows one volume, and which client holds it.",
    .arguments = "NAME",
    .example = "varve volumes show demo",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_show,
};

static const struct command *const verbs[] = {&volume_create,
                                              &volume_list,
                                              &volume_show,
                                              &volume_resize,
                                              &volume_rename,
                                              &volume_set,
                                              &volume_release,
                                              &volume_rollback,
                                              &volume_compact,
                                              &volume_delete,
                                              NULL};

const struct command command_volumes = {
    .name = "volumes",
    .alias = "volume",
    .summary = "Makes, lists, changes and deletes volumes.",
    .example = "varve volumes create demo --size 10G",
    .commands = verbs,
};
