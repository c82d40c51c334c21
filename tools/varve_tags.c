/* varve datasets tags. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "dataset_verbs.h"
#include "field.h"
#include "table.h"

static char *id, *name, *expect;

static void print_tags(const json_t *tags)
{
    static const char *const headings[] = {"TAG", "VERSION", "MOVED", "BY", NULL};
    struct table *table = table_new("llll", headings);
    size_t i;
    json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        table_text(table, field_text(tag, "name"));
        table_text(table, field_text(tag, "version"));
        table_text(table, field_text(tag, "moved"));
        table_text(table, field_text(tag, "who"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    const char *dataset;
    json_t *answer;
    int code = dataset_verb_id(invocation, id, "DATASET", &dataset);
    if (code == EXIT_DONE)
        code = client_ask(invocation, "GET", client_target("/v1/datasets/", dataset, "/tags"), NULL,
                          &answer);
    if (code != EXIT_DONE)
        return code;
    char none[256];
    snprintf(none, sizeof none,
             "No tags. Set one with: varve datasets tags set %s:VERSION --name TAG", dataset);
    return client_finish_list(invocation, code, answer, "tags", print_tags, none);
}

static void print_history(const json_t *events)
{
    static const char *const headings[] = {"TIME", "TAG", "FROM", "TO", "BY", NULL};
    struct table *table = table_new("lllll", headings);
    size_t i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        table_text(table, field_text(event, "time"));
        table_text(table, field_text(event, "tag"));
        table_text(table, field_text(event, "before"));
        table_text(table, field_text(event, "version")[0] != '\0' ? field_text(event, "version")
                                                                  : "(deleted)");
        table_text(table, field_text(event, "who"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_history(const struct invocation *invocation)
{
    const char *dataset;
    json_t *answer = NULL;
    int code = dataset_verb_id(invocation, id, "DATASET", &dataset);
    if (code != EXIT_DONE)
        return code;
    char *target = client_target("/v1/datasets/", dataset, "/tag-history");
    if (name != NULL) {
        char *with_name = client_target("", name, ""), *whole = NULL;
        if (asprintf(&whole, "%s?tag=%s", target, with_name) < 0)
            abort();
        free(with_name);
        free(target);
        target = whole;
    }
    code = client_ask(invocation, "GET", target, NULL, &answer);
    return client_finish_list(invocation, code, answer, "events", print_history,
                              "No tag of it was ever set.");
}

/* --expect none: the tag must not exist. */
static json_t *move_parameters(void)
{
    json_t *parameters = json_object();
    dataset_verb_text(parameters, "tag", name);
    dataset_verb_text(parameters, "expect",
                      expect != NULL && strcmp(expect, "none") == 0 ? "" : expect);
    return parameters;
}

static int check_name(void)
{
    return name != NULL ? EXIT_DONE : command_fail(EXIT_USAGE, "which tag? Say --name TAG");
}

static void print_set(const json_t *tag)
{
    printf("Set dataset tag: %s to version %s\n", field_text(tag, "ref"),
           field_text(tag, "version"));
}

static int run_set(const struct invocation *invocation)
{
    const char *ref;
    json_t *tag = NULL;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code == EXIT_DONE)
        code = check_name();
    if (code == EXIT_DONE)
        code = client_ask(invocation, "POST", client_target("/v1/versions/", ref, "/tag"),
                          move_parameters(), &tag);
    return client_finish(invocation, code, tag, print_set);
}

static int run_delete(const struct invocation *invocation)
{
    const char *dataset;
    json_t *answer = NULL;
    int code = dataset_verb_id(invocation, id, "DATASET", &dataset);
    if (code == EXIT_DONE)
        code = check_name();
    if (code == EXIT_DONE)
        code = command_confirm(invocation, "delete tag '%s' of dataset '%s'", name, dataset);
    if (code == EXIT_DONE)
        code = client_ask(invocation, "DELETE", client_target("/v1/datasets/", dataset, "/tags"),
                          move_parameters(), &answer);
    return client_finish_saying(invocation, code, answer, "Deleted dataset tag", "deleted");
}

static const struct poptOption list_options[] = {DATASET_VERB_ID(id), POPT_TABLEEND};
static const struct poptOption history_options[] = {
    DATASET_VERB_ID(id),
    {"name", 'n', POPT_ARG_STRING, &name, 0, "of this tag alone", "TAG"},
    POPT_TABLEEND};
static const struct poptOption set_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version", "REF"},
    {"name", 'n', POPT_ARG_STRING, &name, 0, "the tag", "TAG"},
    {"expect", '\0', POPT_ARG_STRING, &expect, 0, "only if it points at this version now",
     "VERSION|none"},
    POPT_TABLEEND};
static const struct poptOption delete_options[] = {
    DATASET_VERB_ID(id),
    {"name", 'n', POPT_ARG_STRING, &name, 0, "the tag", "TAG"},
    {"expect", '\0', POPT_ARG_STRING, &expect, 0, "only if it points at this version now",
     "VERSION"},
    POPT_TABLEEND};

static const struct command tag_set = {
    .name = "set",
    .summary = "Points a tag at a committed version.",
    .arguments = "DATASET:VERSION --name TAG",
    .details =
        "A tag that exists moves. With --expect it moves only if it points at that version now\n"
        "('none': if there is no such tag), else nothing changes and the exit code is 11: so two\n"
        "people cannot move it over each other. Tags have up to 128 of A-Z a-z 0-9 . _ - and\n"
        "start with a letter or digit; 'latest' and what looks like a version's id are none.",
    .example = "varve datasets tags set images:4k2m9x1 --name prod\n"
               "varve datasets tags set images:latest --name prod --expect 4k2m9x1",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = set_options,
    .run = run_set,
};

static const struct command tag_list = {
    .name = "list",
    .summary = "Lists a dataset's tags, and where they point.",
    .arguments = "DATASET",
    .example = "varve datasets tags list images",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = list_options,
    .run = run_list,
};

static const struct command tag_delete = {
    .name = "delete",
    .summary = "Deletes a tag; the version stays.",
    .arguments = "DATASET --name TAG",
    .example = "varve datasets tags delete images --name prod --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = delete_options,
    .run = run_delete,
};

static const struct command tag_history = {
    .name = "history",
    .summary = "Shows where tags pointed, and who moved them.",
    .arguments = "DATASET [--name TAG]",
    .example = "varve datasets tags history images --name prod",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = history_options,
    .run = run_history,
};

static const struct command *const verbs[] = {&tag_set, &tag_list, &tag_delete, &tag_history, NULL};

const struct command command_tags = {
    .name = "tags",
    .alias = "tag",
    .summary = "Sets, lists and deletes tags of datasets, and shows their history.",
    .example = "varve datasets tags set images:4k2m9x1 --name prod",
    .commands = verbs,
};
