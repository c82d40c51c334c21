/* The verbs of varve datasets that change something. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "dataset_verbs.h"
#include "deletion.h"
#include "field.h"
#include "size.h"

static char *name, *description, *size, *id;
static char **set, **unset;
static int force, dry_run;

/* What creating and updating have in common. */
static int take_parameters(json_t **ret_parameters)
{
    json_t *parameters = json_object();
    dataset_verb_text(parameters, "name", name);
    dataset_verb_text(parameters, "description", description);
    dataset_verb_list(parameters, "set", set);
    dataset_verb_list(parameters, "unset", unset);
    int code = dataset_verb_size(parameters, "size", size);
    if (code != EXIT_DONE) {
        json_decref(parameters);
        return code;
    }
    *ret_parameters = parameters;
    return EXIT_DONE;
}

static int run_create(const struct invocation *invocation)
{
    json_t *parameters, *dataset = NULL;
    if (name != NULL && invocation->argument_count > 0)
        return command_fail(EXIT_USAGE, "'%s' and --name %s: say the name once",
                            invocation->arguments[0], name);
    if (name == NULL && invocation->argument_count == 0)
        return command_fail(EXIT_USAGE, "what is it called? Say --name NAME");
    int code = take_parameters(&parameters);
    if (code != EXIT_DONE)
        return code;
    if (name == NULL)
        dataset_verb_text(parameters, "name", invocation->arguments[0]);
    code =
        client_ask(invocation, "POST", client_target("/v1/datasets", "", ""), parameters, &dataset);
    return client_finish_saying(invocation, code, dataset, "Created dataset", "id");
}

static int run_update(const struct invocation *invocation)
{
    const char *which;
    json_t *parameters, *dataset = NULL;
    int code = dataset_verb_id(invocation, id, "DATASET", &which);
    if (code == EXIT_DONE)
        code = take_parameters(&parameters);
    if (code != EXIT_DONE)
        return code;
    if (json_object_size(parameters) == 0) {
        json_decref(parameters);
        return command_fail(EXIT_USAGE, "update what? Say --name, --description, --size, --set or "
                                        "--unset");
    }
    code = client_ask(invocation, "POST", client_target("/v1/datasets/", which, "/update"),
                      parameters, &dataset);
    return client_finish_saying(invocation, code, dataset, "Updated dataset", "full_name");
}

static int confirm_delete(const struct invocation *invocation, const char *which)
{
    json_t *dataset;
    char mapped[SIZE_TEXT];
    int code =
        client_ask(invocation, "GET", client_target("/v1/datasets/", which, ""), NULL, &dataset);
    if (code != EXIT_DONE)
        return code;
    code = command_confirm_typed(
        invocation, field_text(dataset, "full_name"),
        "delete dataset '%s' for ever (committed versions: %" PRIu64 ", uncommitted: %" PRIu64
        ", mapped: %s, tags: %" PRIu64 ")",
        field_text(dataset, "full_name"), field_number(dataset, "versions"),
        field_number(dataset, "uncommitted"),
        size_print(field_number(dataset, "mapped_bytes"), mapped), field_number(dataset, "tags"));
    json_decref(dataset);
    return code;
}

static int run_delete(const struct invocation *invocation)
{
    const char *which;
    int code = dataset_verb_id(invocation, id, "DATASET", &which);
    if (code == EXIT_DONE && dry_run)
        return delete_preview_dataset(invocation, which);
    if (code == EXIT_DONE && !invocation->yes)
        code = confirm_delete(invocation, which);
    if (code != EXIT_DONE)
        return code;
    return delete_perform(invocation, "dataset", client_target("/v1/datasets/", which, ""),
                          force ? json_pack("{sb}", "force", 1) : NULL);
}

static const struct poptOption create_options[] = {
    {"name", 'n', POPT_ARG_STRING, &name, 0, "its name: NAME, or TEAM/NAME", "NAME"},
    {"description", 'd', POPT_ARG_STRING, &description, 0, "what it holds", "TEXT"},
    {"size", 's', POPT_ARG_STRING, &size, 0, "of new versions that are empty, like 10G", "SIZE"},
    {"set", '\0', POPT_ARG_ARGV, &set, 0, "give it metadata; can be repeated", "KEY=VALUE"},
    POPT_TABLEEND};
static const struct poptOption update_options[] = {
    DATASET_VERB_ID(id),
    {"name", 'n', POPT_ARG_STRING, &name, 0, "its new name, in its team", "NAME"},
    {"description", 'd', POPT_ARG_STRING, &description, 0, "what it holds", "TEXT"},
    {"size", 's', POPT_ARG_STRING, &size, 0, "of new versions that are empty; 0: none", "SIZE"},
    {"set", '\0', POPT_ARG_ARGV, &set, 0, "set metadata; can be repeated", "KEY=VALUE"},
    {"unset", '\0', POPT_ARG_ARGV, &unset, 0, "remove metadata; can be repeated", "KEY"},
    POPT_TABLEEND};
static const struct poptOption delete_options[] = {
    DATASET_VERB_ID(id),
    {"force", 'f', POPT_ARG_NONE, &force, 0, "also when versions are attached", NULL},
    DELETION_DRY_RUN(dry_run),
    POPT_TABLEEND};

const struct command dataset_create = {
    .name = "create",
    .summary = "Makes a dataset and prints its id.",
    .arguments = "--name NAME",
    .details =
        "A dataset and a volume cannot have the same name. The id stays when the dataset is\n"
        "renamed; both are accepted everywhere.",
    .example = "varve datasets create --name images --description 'cats and dogs' --size 10G\n"
               "varve datasets create --name vision/images --set licence=CC-BY",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .options = create_options,
    .run = run_create,
};

const struct command dataset_update = {
    .name = "update",
    .summary = "Changes a dataset's name, description or metadata.",
    .arguments = "DATASET",
    .example = "varve datasets update images --description 'cats, dogs, birds' --unset draft",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = update_options,
    .run = run_update,
};

const struct command dataset_delete = {
    .name = "delete",
    .summary = "Deletes a dataset with all its versions and tags.",
    .arguments = "DATASET",
    .details =
        "It says what would be lost and wants the name typed, or --yes.\n"
        "It is refused while one of its versions is attached, unless --force is given: who has\n"
        "one open then reads it to the end, and cannot write any more. While one is held it\n"
        "stays, also with --force: release it first (varve holds release). The space comes back\n"
        "in the background.",
    .example = "varve datasets delete images --dry-run\n"
               "varve datasets delete images --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = delete_options,
    .run = run_delete,
};
