/* varve volumes compact: moves together what lies scattered. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "field.h"
#include "volume_verbs.h"

static char *rate_option;

static void print_answer(const json_t *answer)
{
    printf("Compacted: %s\n", field_text(answer, "ref"));
    field_print_size("Moved", field_number(answer, "moved_bytes"));
    field_print_size("In order", field_number(answer, "in_order_bytes"));
    field_print_size("Shared", field_number(answer, "shared_bytes"));
    field_print_size("Scattered", field_number(answer, "scattered_bytes"));
}

static int run(const struct invocation *invocation)
{
    uint64_t rate;
    json_t *answer = NULL;
    int code = command_rate(rate_option, "move", &rate);
    if (code != EXIT_DONE)
        return code;
    json_t *parameters = rate > 0 ? json_pack("{sI}", "rate", (json_int_t)rate) : json_object();
    char *target = client_target("/v1/volumes/", invocation->arguments[0], "/compact");
    code = client_request_long(invocation, "POST", target, parameters, &answer);
    free(target);
    json_decref(parameters);
    return client_finish(invocation, code, answer, print_answer);
}

static const struct poptOption options[] = {
    {"rate", '\0', POPT_ARG_STRING, &rate_option, 0,
     "move at most so much a second, e.g. 20M (default: as fast as it goes)", "SIZE"},
    POPT_TABLEEND};

const struct command volume_compact = {
    .name = "compact",
    .summary = "Moves the blocks of a volume into their logical order on disk.",
    .arguments = "REF",
    .details =
        "After many random writes a volume lies scattered, and reading it from end to end is\n"
        "slow; this moves it together, 1 MiB at a time, while it is used. REF may be a\n"
        "snapshot or a version too: what it holds, its digest and its differences to others\n"
        "stay as they are, only the places on disk change.\n"
        "Blocks that snapshots, clones or versions share stay where they are, so that no space\n"
        "is lost to second copies: 'Shared' says how much that is. 'Scattered' was left because\n"
        "free space lies scattered itself; delete or move something first. Each block that\n"
        "moves needs its space twice for some seconds. Ctrl-C cancels it (exit code 10); what\n"
        "was moved until then stays moved.",
    .example = "varve volumes compact demo\n"
               "varve volumes compact demo --rate 50M",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = options,
    .run = run,
};
