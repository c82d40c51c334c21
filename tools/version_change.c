/* The verbs of varve datasets versions that change something. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "dataset_verbs.h"
#include "field.h"
#include "size.h"

static char *id, *message, *from, *size, *hold;
static char **set, **unset;
static int force;

static int run_create(const struct invocation *invocation)
{
    const char *dataset;
    json_t *version, *parameters;
    int code = dataset_verb_id(invocation, id, "DATASET", &dataset);
    if (code != EXIT_DONE)
        return code;
    parameters = json_object();
    dataset_verb_text(parameters, "from", from);
    dataset_verb_text(parameters, "message", message);
    dataset_verb_text(parameters, "hold", hold);
    dataset_verb_list(parameters, "set", set);
    code = dataset_verb_size(parameters, "size", size);
    if (code != EXIT_DONE) {
        json_decref(parameters);
        return code;
    }
    code = dataset_verb_request(invocation, "POST",
                                client_target("/v1/datasets/", dataset, "/versions"), parameters,
                                &version);
    if (code != EXIT_DONE)
        return code;
    if (invocation->json)
        client_print_json(version);
    else
        printf("Created dataset version: %s\n", field_text(version, "ref"));
    json_decref(version);
    return EXIT_DONE;
}

static int run_update(const struct invocation *invocation)
{
    const char *ref;
    json_t *version, *parameters;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code != EXIT_DONE)
        return code;
    parameters = json_object();
    dataset_verb_text(parameters, "message", message);
    dataset_verb_list(parameters, "set", set);
    dataset_verb_list(parameters, "unset", unset);
    if (json_object_size(parameters) == 0) {
        json_decref(parameters);
        return command_fail(EXIT_USAGE, "update what? Say --message, --set or --unset");
    }
    code = dataset_verb_request(invocation, "POST", client_target("/v1/versions/", ref, "/update"),
                                parameters, &version);
    if (code != EXIT_DONE)
        return code;
    if (invocation->json)
        client_print_json(version);
    else
        printf("Updated dataset version: %s\n", field_text(version, "ref"));
    json_decref(version);
    return EXIT_DONE;
}

static int confirm_delete(const struct invocation *invocation, const char *ref)
{
    json_t *version;
    char mapped[SIZE_TEXT];
    int code = dataset_verb_request(invocation, "GET", client_target("/v1/versions/", ref, ""),
                                    NULL, &version);
    if (code != EXIT_DONE)
        return code;
    char *tags = dataset_verb_join(json_object_get(version, "tags"));
    code = command_confirm(invocation, "delete %s version '%s' (%s mapped)%s%s for ever",
                           field_flag(version, "committed") ? "committed" : "uncommitted",
                           field_text(version, "ref"),
                           size_print(field_number(version, "mapped_bytes"), mapped),
                           tags[0] != '\0' ? ", tagged " : "", tags);
    free(tags);
    json_decref(version);
    return code;
}

static int run_delete(const struct invocation *invocation)
{
    const char *ref;
    json_t *answer;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code == EXIT_DONE && !invocation->yes)
        code = confirm_delete(invocation, ref);
    if (code == EXIT_DONE)
        code = dataset_verb_request(invocation, "DELETE", client_target("/v1/versions/", ref, ""),
                                    force ? json_pack("{sb}", "force", 1) : NULL, &answer);
    if (code != EXIT_DONE)
        return code;
    if (invocation->json)
        client_print_json(answer);
    else
        printf("Deleted dataset version: %s\n", field_text(answer, "deleted"));
    json_decref(answer);
    return EXIT_DONE;
}

static const struct poptOption create_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the dataset, by name or id", "DATASET"},
    {"message", 'm', POPT_ARG_STRING, &message, 0, "what it is", "TEXT"},
    {"from", '\0', POPT_ARG_STRING, &from, 0, "begin as a clone of this, at once", "REF"},
    {"size", 's', POPT_ARG_STRING, &size, 0, "its size, like 10G", "SIZE"},
    {"hold", '\0', POPT_ARG_STRING, &hold, 0, "keep it from being deleted, and why", "REASON"},
    {"set", '\0', POPT_ARG_ARGV, &set, 0, "give it metadata; can be repeated", "KEY=VALUE"},
    POPT_TABLEEND};
static const struct poptOption update_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version", "REF"},
    {"message", 'm', POPT_ARG_STRING, &message, 0, "its new message", "TEXT"},
    {"set", '\0', POPT_ARG_ARGV, &set, 0, "set metadata; can be repeated", "KEY=VALUE"},
    {"unset", '\0', POPT_ARG_ARGV, &unset, 0, "remove metadata; can be repeated", "KEY"},
    POPT_TABLEEND};
static const struct poptOption delete_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version", "REF"},
    {"force", 'f', POPT_ARG_NONE, &force, 0, "also when it is attached, held or tagged", NULL},
    POPT_TABLEEND};

const struct command version_create = {
    .name = "create",
    .summary = "Makes an uncommitted version of a dataset.",
    .arguments = "DATASET",
    .details =
        "It is empty, or begins as a clone of any volume, snapshot or version, which takes no\n"
        "time and no space. It can be attached and written until it is committed. The size is\n"
        "that of REF, or the dataset's; --size says another one.",
    .example = "varve datasets versions create images --size 10G --message 'first'\n"
               "varve datasets versions create images --from images:latest",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = create_options,
    .run = run_create,
};

const struct command version_update = {
    .name = "update",
    .summary = "Changes a version's message or metadata, also after its commit.",
    .arguments = "DATASET:VERSION",
    .details = "The history keeps each change. The content of a committed version never changes.",
    .example = "varve datasets versions update images:4k2m9x1 --message 'without duplicates'",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = update_options,
    .run = run_update,
};

const struct command version_delete = {
    .name = "delete",
    .summary = "Deletes a version; no other one changes.",
    .arguments = "DATASET:VERSION",
    .details =
        "It is refused while the version is attached, held or tagged, and says by whom, unless\n"
        "--force is given: tags and holds then go with it, and who has it open reads it to the\n"
        "end. What other versions share with it stays.",
    .example = "varve datasets versions delete images:4k2m9x1 --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = delete_options,
    .run = run_delete,
};
