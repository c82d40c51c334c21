/* varve datasets: the group, and the verbs that change nothing. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "dataset_verbs.h"
#include "field.h"
#include "table.h"

static int names_only;
static char *details_id;

static void print_table(const json_t *datasets)
{
    static const char *const headings[] = {"NAME",   "ID",   "VERSIONS",    "OPEN",
                                           "LATEST", "TAGS", "DESCRIPTION", NULL};
    struct table *table = table_new("llrrlrl", headings);
    size_t i;
    json_t *dataset;
    json_array_foreach(datasets, i, dataset)
    {
        table_text(table, field_text(dataset, "full_name"));
        table_text(table, field_text(dataset, "id"));
        table_number(table, field_number(dataset, "versions"));
        table_number(table, field_number(dataset, "uncommitted"));
        table_text(table, field_text(dataset, "latest"));
        table_number(table, field_number(dataset, "tags"));
        table_text(table, field_text(dataset, "description"));
    }
    table_print(table, stdout);
    table_free(table);
}

static int run_list(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = client_request(invocation->store, "GET", "/v1/datasets", NULL, &answer);
    if (names_only)
        return client_finish_names(invocation, code, answer, "datasets", "full_name");
    return client_finish_list(invocation, code, answer, "datasets", print_table,
                              "No datasets yet. Make one with: varve datasets create --name NAME");
}

static void print_page(const json_t *dataset)
{
    field_print("Name", field_text(dataset, "full_name"));
    field_print("Id", field_text(dataset, "id"));
    field_print("Description", field_text(dataset, "description"));
    field_print("Created", field_text(dataset, "created"));
    field_print("Created by", field_text(dataset, "who"));
    field_print_number("Versions", field_number(dataset, "versions"));
    field_print_number("Uncommitted", field_number(dataset, "uncommitted"));
    field_print("Latest", field_text(dataset, "latest"));
    field_print_number("Tags", field_number(dataset, "tags"));
    if (field_number(dataset, "size") > 0)
        field_print_size("Size of a new one", field_number(dataset, "size"));
    field_print_size("Mapped", field_number(dataset, "mapped_bytes"));
    dataset_verb_metadata(dataset);
}

static int run_details(const struct invocation *invocation)
{
    const char *id;
    json_t *dataset = NULL;
    int code = dataset_verb_id(invocation, details_id, "DATASET", &id);
    if (code == EXIT_DONE)
        code =
            client_ask(invocation, "GET", client_target("/v1/datasets/", id, ""), NULL, &dataset);
    return client_finish(invocation, code, dataset, print_page);
}

static const struct poptOption list_options[] = {
    {"names", '\0', POPT_ARG_NONE, &names_only, 0, "print names alone, one a line", NULL},
    POPT_TABLEEND};
static const struct poptOption details_options[] = {DATASET_VERB_ID(details_id), POPT_TABLEEND};

static const struct command dataset_list = {
    .name = "list",
    .summary = "Lists all datasets.",
    .details = "VERSIONS counts the committed ones, OPEN those that are not. LATEST is the one\n"
               "that was committed last.",
    .example = "varve datasets list",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .options = list_options,
    .run = run_list,
};

static const struct command dataset_details = {
    .name = "details",
    .alias = "show",
    .summary = "Shows one dataset, with its metadata.",
    .arguments = "DATASET",
    .example = "varve datasets details images\n"
               "varve datasets details --id dsi4ffmn9tz8lwp",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = details_options,
    .run = run_details,
};

static const struct command *const verbs[] = {&dataset_create, &dataset_list,   &dataset_details,
                                              &dataset_update, &dataset_delete, &command_versions,
                                              &command_tags,   &dataset_files,  NULL};

const struct command command_datasets = {
    .name = "datasets",
    .alias = "dataset",
    .summary = "Makes, lists, changes and deletes datasets, their versions and tags.",
    .details =
        "A dataset is a named series of versions. A version is a disk that is written until\n"
        "it is committed and never changes from then on; DATASET:VERSION, DATASET:TAG,\n"
        "DATASET:latest and DATASET:~1 name one, wherever a REF is taken.",
    .example = "varve datasets create --name images --size 10G\n"
               "varve datasets versions create images --message 'first'\n"
               "varve datasets tags set images:4k2m9x1 --name prod",
    .commands = verbs,
};
