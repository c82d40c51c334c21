/* varve datasets versions verify. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "dataset_verbs.h"
#include "field.h"
#include "version_proof.h"

static char *id;

static const struct poptOption options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version, instead of an argument", "REF"},
    POPT_TABLEEND};

static void print_verification(const json_t *answer)
{
    const json_t *ranges = json_object_get(answer, "ranges");
    uint64_t damages = field_number(answer, "damages");
    size_t i;
    json_t *range;
    json_array_foreach(ranges, i, range)
    {
        printf("Damage at %" PRIu64 ", %" PRIu64 " bytes: %s\n", field_number(range, "offset"),
               field_number(range, "length"), field_text(range, "kind"));
    }
    if (damages > json_array_size(ranges))
        printf("... and %" PRIu64 " more\n", damages - json_array_size(ranges));
    if (field_flag(answer, "record_damaged"))
        puts("The digests of its parts are damaged: where it differs cannot be told");
    if (field_flag(answer, "sound"))
        printf("Verified dataset version: %s\n", field_text(answer, "ref"));
    else
        printf("Damaged dataset version: %s\n", field_text(answer, "ref"));
    field_print("Digest", field_text(answer, "digest"));
    if (!field_flag(answer, "sound"))
        field_print("Found", field_text(answer, "found"));
    field_print_size("Read", field_number(answer, "read_bytes"));
}

static int run(const struct invocation *invocation)
{
    const char *name;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &name);
    if (code != EXIT_DONE)
        return code;
    char *target = client_target("/v1/versions/", name, "/verify");
    json_t *answer;
    code = client_request_long(invocation, "GET", target, NULL, &answer);
    free(target);
    if (code != EXIT_DONE)
        return code;
    const bool whole = field_flag(answer, "sound") && !field_flag(answer, "record_damaged");
    if (invocation->json)
        client_print_json(answer);
    else
        print_verification(answer);
    json_decref(answer);
    return whole ? EXIT_DONE : EXIT_DAMAGED;
}

const struct command version_verify = {
    .name = "verify",
    .summary = "Reads a committed version again and compares it with its digest.",
    .arguments = "REF",
    .details =
        "Each damaged range is a line: \"differs\" can be read and is not what was committed;\n"
        "\"unreadable\" is lost: the disk fails to read it, or gives other bytes than were\n"
        "written. The exit code is 6 when there is damage of either kind, and also when the\n"
        "store's own records of the version cannot be read. Ctrl-C cancels it.",
    .example = "varve datasets versions verify images:latest",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 0,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = options,
    .run = run,
};
