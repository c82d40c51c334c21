/* varve datasets versions commit. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "dataset_verbs.h"
#include "field.h"
#include "version_proof.h"

static char *id;
static int allow_dirty, allow_incomplete;

static const struct poptOption options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version, instead of an argument", "DS:V"},
    {"allow-dirty", '\0', POPT_ARG_NONE, &allow_dirty, 0,
     "also with a file system that was not left clean", NULL},
    {"allow-incomplete", '\0', POPT_ARG_NONE, &allow_incomplete, 0,
     "also when a write to it has failed", NULL},
    POPT_TABLEEND};

static void print_commit(const json_t *answer)
{
    const uint64_t leaves = field_number(answer, "leaves"), hashed = field_number(answer, "hashed");
    if (field_flag(answer, "already")) {
        printf("Dataset version is already committed: %s\n", field_text(answer, "ref"));
        return;
    }
    printf("Committed dataset version: %s\n", field_text(answer, "ref"));
    field_print("Digest", field_text(answer, "digest"));
    field_print("Content", field_text(answer, "class"));
    if (json_is_integer(json_object_get(answer, "files")))
        field_print_number("Files", field_number(answer, "files"));
    printf("Pieces of 1 MiB: %" PRIu64 ", read %" PRIu64 ", known from before %" PRIu64 "\n",
           leaves, hashed, leaves - hashed);
}

static int run(const struct invocation *invocation)
{
    const char *name;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &name);
    if (code != EXIT_DONE)
        return code;
    char *target = client_target("/v1/versions/", name, "/commit");
    json_t *answer = NULL, *parameters = json_pack("{sb sb}", "allow_dirty", allow_dirty,
                                                   "allow_incomplete", allow_incomplete);
    code = client_request_long(invocation, "POST", target, parameters, &answer);
    json_decref(parameters);
    free(target);
    return client_finish(invocation, code, answer, print_commit);
}

const struct command version_commit = {
    .name = "commit",
    .summary = "Freezes a version for good and gives it its digest.",
    .arguments = "DATASET:VERSION",
    .details =
        "From then on every write to it fails, also of clients that have it attached: unmount\n"
        "first. A file system that was not left clean is refused, and so is a version to which\n"
        "a write has failed. The digest costs what changed since the version it comes from. A\n"
        "version that is committed already stays as it is. Ctrl-C cancels (exit code 10); the\n"
        "version can then be written as before.",
    .example = "varve datasets versions commit images:4k2m9x1",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 0,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = options,
    .run = run,
};
