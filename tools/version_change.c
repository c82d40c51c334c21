/* The verbs of varve datasets versions that change something. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "dataset_verbs.h"
#include "deletion.h"
#include "field.h"
#include "size.h"

static char *id, *message, *from, *size, *hold;
static char **set, **unset, **sources;
static int force, no_commit, dry_run;

/* Paths mean something to the server only when they are absolute. A slash at the end stays: it says
 * that the content is meant. */
static int add_sources(json_t *parameters)
{
    json_t *paths = json_array();
    char *here = getcwd(NULL, 0);
    int code = EXIT_DONE;
    for (char **source = sources; code == EXIT_DONE && *source != NULL; source++) {
        char *path = NULL;
        if ((*source)[0] == '\0')
            code = command_fail(EXIT_USAGE, "--source-path is empty; say a file or a folder");
        else if ((*source)[0] != '/' && here == NULL)
            code = command_fail(EXIT_FAILED, "the present folder is gone; say the whole path");
        else if (asprintf(&path, "%s%s%s", (*source)[0] == '/' ? "" : here,
                          (*source)[0] == '/' ? "" : "/", *source) < 0)
            code = command_fail(EXIT_FAILED, "no memory for a path");
        else if (json_array_append_new(paths, json_string(path)) < 0)
            code = command_fail(EXIT_USAGE, "the path '%s' is no UTF-8; use one that is above it",
                                path);
        if (path != NULL)
            free(path);
    }
    free(here);
    json_object_set_new(parameters, "sources", paths);
    return code;
}

static int check_create(void)
{
    if (sources != NULL && from != NULL)
        return command_fail(EXIT_USAGE, "--source-path and --from exclude each other");
    if (no_commit && sources == NULL)
        return command_fail(EXIT_USAGE, "--no-commit goes with --source-path alone: other versions "
                                        "are not committed when they are made");
    return EXIT_DONE;
}

static int get_version(const struct invocation *invocation, const char *ref, json_t **ret_version)
{
    return client_ask(invocation, "GET", client_target("/v1/versions/", ref, ""), NULL,
                      ret_version);
}

/* The commit failed, or its answer was lost: what is committed after all stays. Where this fails
 * too, a line of its own says why the version is still there. */
static void take_back(const struct invocation *invocation, const char *ref)
{
    json_t *now = NULL, *answer = NULL;
    if (get_version(invocation, ref, &now) != EXIT_DONE)
        return;
    const bool stays = field_flag(now, "committed");
    json_decref(now);
    if (stays)
        return;
    if (hold != NULL && client_ask(invocation, "DELETE", client_target("/v1/holds/", ref, ""), NULL,
                                   &answer) == EXIT_DONE)
        json_decref(answer);
    if (client_ask(invocation, "DELETE", client_target("/v1/versions/", ref, ""), NULL, &answer) ==
        EXIT_DONE)
        json_decref(answer);
}

/* What came from files is whole, and so it is committed. When that fails it goes. */
static int commit_made(const struct invocation *invocation, json_t **version)
{
    char *ref = strdup(field_text(*version, "ref"));
    char *target = client_target("/v1/versions/", ref, "/commit");
    json_t *answer = NULL, *now = NULL;
    int code = client_request_long(invocation, "POST", target, NULL, &answer);
    free(target);
    json_decref(answer);
    if (code != EXIT_DONE)
        take_back(invocation, ref);
    else if (invocation->json)
        code = get_version(invocation, ref, &now);
    if (now != NULL) {
        json_decref(*version);
        *version = now;
    }
    free(ref);
    return code;
}

static int create(const struct invocation *invocation, const char *dataset, json_t *parameters)
{
    char *target = client_target("/v1/datasets/", dataset, "/versions");
    json_t *version;
    int code = client_request_long(invocation, "POST", target, parameters, &version);
    free(target);
    if (code != EXIT_DONE)
        return code;
    const bool commit = sources != NULL && !no_commit;
    if (commit)
        code = commit_made(invocation, &version);
    if (code == EXIT_DONE && invocation->json)
        client_print_json(version);
    else if (code == EXIT_DONE)
        printf("Created dataset version: %s\n", field_text(version, "ref"));
    if (code == EXIT_DONE && commit && !invocation->json)
        printf("Committed dataset version: %s\n", field_text(version, "ref"));
    json_decref(version);
    return code;
}

static int run_create(const struct invocation *invocation)
{
    const char *dataset;
    int code = dataset_verb_id(invocation, id, "DATASET", &dataset);
    if (code == EXIT_DONE)
        code = check_create();
    if (code != EXIT_DONE)
        return code;
    json_t *parameters = json_object();
    dataset_verb_text(parameters, "from", from);
    dataset_verb_text(parameters, "message", message);
    dataset_verb_text(parameters, "hold", hold);
    dataset_verb_list(parameters, "set", set);
    code = dataset_verb_size(parameters, "size", size);
    if (code == EXIT_DONE && sources != NULL)
        code = add_sources(parameters);
    if (code == EXIT_DONE)
        code = create(invocation, dataset, parameters);
    json_decref(parameters);
    return code;
}

static int run_update(const struct invocation *invocation)
{
    const char *ref;
    json_t *version = NULL, *parameters;
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
    code = client_ask(invocation, "POST", client_target("/v1/versions/", ref, "/update"),
                      parameters, &version);
    return client_finish_saying(invocation, code, version, "Updated dataset version", "ref");
}

static int run_release(const struct invocation *invocation)
{
    const char *ref;
    json_t *version = NULL;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code == EXIT_DONE)
        code = client_ask(invocation, "POST", client_target("/v1/versions/", ref, "/release"),
                          json_pack("{sb}", "force", force), &version);
    return client_finish_saying(
        invocation, code, version,
        force ? "Released dataset version" : "Nobody writes to dataset version", "ref");
}

static int confirm_delete(const struct invocation *invocation, const char *ref)
{
    json_t *version;
    char mapped[SIZE_TEXT];
    int code = get_version(invocation, ref, &version);
    if (code != EXIT_DONE)
        return code;
    char *tags = dataset_verb_join(json_object_get(version, "tags"));
    code = command_confirm(invocation, "delete %s version '%s' for ever (%s mapped%s%s)",
                           field_flag(version, "committed") ? "committed" : "uncommitted",
                           field_text(version, "ref"),
                           size_print(field_number(version, "mapped_bytes"), mapped),
                           tags[0] != '\0' ? ", tagged " : "", tags);
    free(tags);
    json_decref(version);
    return code;
}

/* Where a bare dataset is shown its latest version is meant; what is deleted is named. */
static int preview_delete(const struct invocation *invocation, const char *ref)
{
    if (strchr(ref, ':') == NULL)
        return command_fail(EXIT_USAGE, "which version? Say %s:VERSION", ref);
    return delete_preview(invocation, "/v1/versions/", ref);
}

static int run_delete(const struct invocation *invocation)
{
    const char *ref;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code == EXIT_DONE && dry_run)
        return preview_delete(invocation, ref);
    if (code == EXIT_DONE && !invocation->yes)
        code = confirm_delete(invocation, ref);
    if (code != EXIT_DONE)
        return code;
    return delete_perform(invocation, "dataset version", client_target("/v1/versions/", ref, ""),
                          force ? json_pack("{sb}", "force", 1) : NULL);
}

static const struct poptOption create_options[] = {
    DATASET_VERB_ID(id),
    {"message", 'm', POPT_ARG_STRING, &message, 0, "what it is", "TEXT"},
    {"from", '\0', POPT_ARG_STRING, &from, 0, "begin as a clone of this, at once", "REF"},
    {"source-path", '\0', POPT_ARG_ARGV, &sources, 0,
     "make a file system of these files, and commit; can be repeated", "PATH"},
    {"no-commit", '\0', POPT_ARG_NONE, &no_commit, 0, "with --source-path: leave it uncommitted",
     NULL},
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
    {"force", 'f', POPT_ARG_NONE, &force, 0, "also when it is attached or tagged", NULL},
    DELETION_DRY_RUN(dry_run),
    POPT_TABLEEND};

static const struct poptOption release_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version", "REF"},
    {"force", 'f', POPT_ARG_NONE, &force, 0, "take it from the client that holds it", NULL},
    POPT_TABLEEND};

const struct command version_create = {
    .name = "create",
    .summary = "Makes a version of a dataset: empty, a clone, or from files.",
    .arguments = "DATASET",
    .details =
        "It is empty, or begins as a clone of any volume, snapshot or version, which takes no\n"
        "time and no space. It can be attached and written until it is committed. The size is\n"
        "that of REF, or the dataset's; --size says another one.\n\n"
        "With --source-path it gets an ext4 file system with these files, sized to fit, and is\n"
        "committed. As rsync has it, PATH/ is what is in a folder, and PATH the folder itself.\n"
        "Owners, modes, times, links, holes, attributes and ACLs are kept. A server reads the\n"
        "files itself, with its own rights. A file that changes meanwhile, or cannot be read,\n"
        "fails all of it. Ctrl-C cancels (exit code 10), and no version is left.",
    .example = "varve datasets versions create images --size 10G --message 'first'\n"
               "varve datasets versions create images --from images:latest\n"
               "varve datasets versions create images --source-path photos/",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
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

const struct command version_release = {
    .name = "release",
    .summary = "Takes an uncommitted version away from the client that writes to it.",
    .arguments = "DATASET:VERSION --force",
    .details =
        "Every later write of that client fails, on all its connections; it can still read.\n"
        "Without --force this only says who writes to the version.",
    .example = "varve datasets versions release images:4k2m9x1 --force",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = release_options,
    .run = run_release,
};

const struct command version_delete = {
    .name = "delete",
    .summary = "Deletes a version; no other one changes.",
    .arguments = "DATASET:VERSION",
    .details =
        "It is refused while the version is attached or tagged, and says by whom, unless --force\n"
        "is given: its tags then go with it, and who has it open reads it to the end. What is\n"
        "held stays, also with --force: release it first (varve holds release). What other\n"
        "versions share with it stays.",
    .example = "varve datasets versions delete images:4k2m9x1 --dry-run\n"
               "varve datasets versions delete images:4k2m9x1 --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = delete_options,
    .run = run_delete,
};
