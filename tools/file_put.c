/* varve datasets files put. */
#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "client_upload.h"
#include "command.h"
#include "dataset_verbs.h"
#include "field.h"
#include "tree_pack.h"

static char *id, *source_path, *target_path, *path;

static int give(void *opaque, int fd)
{
    return tree_pack(opaque, fd);
}

/* Which version, what, and where to: options, or plain arguments in that order. */
static int parse(const struct invocation *invocation, const char **ret_ref, const char **ret_source,
                 const char **ret_target)
{
    const int named = id != NULL ? 0 : 1;
    const char *plain = invocation->argument_count > named ? invocation->arguments[named] : NULL;

    if (invocation->argument_count > named + 1)
        return command_fail(EXIT_USAGE, "'%s' and --id %s: say which one once",
                            invocation->arguments[0], id);
    if (named == 1 && invocation->argument_count == 0)
        return command_fail(EXIT_USAGE, "which one? Say DATASET:VERSION, or --id DATASET:VERSION");
    *ret_ref = id != NULL ? id : invocation->arguments[0];
    if ((*ret_ref)[0] == '\0')
        return command_fail(EXIT_USAGE, "the name of the version is empty: say DATASET:VERSION");
    if (plain != NULL && source_path != NULL)
        return command_fail(EXIT_USAGE, "'%s' and --source-path %s: say what to put once", plain,
                            source_path);
    *ret_source = source_path != NULL ? source_path : plain;
    if (*ret_source == NULL || (*ret_source)[0] == '\0')
        return command_fail(EXIT_USAGE, "put what? Say --source-path PATH");
    if (target_path != NULL && path != NULL)
        return command_fail(EXIT_USAGE, "--target-path and --path mean the same: say one");
    *ret_target = target_path != NULL ? target_path : path != NULL ? path : "/";
    return EXIT_DONE;
}

static int run_put(const struct invocation *invocation)
{
    const char *ref = NULL, *source = NULL, *target = NULL;
    json_t *answer = NULL;
    int code = parse(invocation, &ref, &source, &target);

    if (code != EXIT_DONE)
        return code;
    assert(source != NULL && target != NULL);
    char *before = client_target("/v1/files/", ref, "/content?path=");
    char *request = client_target(before, target, "");
    char *from = strdup(source);
    free(before);
    code = from != NULL ? client_upload(invocation, "PUT", request, give, from, &answer)
                        : command_fail(EXIT_FAILED, "no memory for a path");
    free(from);
    free(request);
    if (code != EXIT_DONE)
        return code;
    char count[DATASET_VERB_COUNT];
    if (invocation->json)
        client_print_json(answer);
    else
        printf("Put: %s to %s (%s)\n", source, target,
               dataset_verb_count(field_number(answer, "files"), count));
    json_decref(answer);
    return EXIT_DONE;
}

static const struct poptOption options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version, as an option", "DATASET:VERSION"},
    {"source-path", '\0', POPT_ARG_STRING, &source_path, 0, "the file or folder of this machine",
     "PATH"},
    {"target-path", '\0', POPT_ARG_STRING, &target_path, 0, "where it goes to in it; else /",
     "PATH"},
    {"path", '\0', POPT_ARG_STRING, &path, 0, "the same", "PATH"},
    POPT_TABLEEND};

const struct command file_put = {
    .name = "put",
    .summary = "Copies a file, or a folder with all in it, into a version that is not committed.",
    .arguments = "DATASET:VERSION --source-path PATH [--target-path PATH]",
    .details = "A folder goes into the target; with a slash at the end of --source-path only\n"
               "what is in it does. A file goes into the target if that is a folder or ends in\n"
               "a slash, else the target is its new name. What is missing on the way to the\n"
               "target is made. Folders that are there are merged, files that are there are\n"
               "replaced. All of it comes or nothing: a transfer that fails, breaks off or finds\n"
               "no room changes nothing. Owners, modes, times, links, holes, extended attributes\n"
               "and ACLs come along; sockets are left out. Nobody may have the version attached\n"
               "meanwhile. The path may also be a plain argument behind the version.",
    .example = "varve datasets files put images:4k2m9x1 --source-path ./train\n"
               "varve datasets files put images:4k2m9x1 ./new/ --target-path train",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME, COMMAND_ARGUMENT_FILE},
    .options = options,
    .run = run_put,
};
