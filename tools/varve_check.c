/* varve check: the independent recount. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "field.h"

static int read_all;

static const struct poptOption options[] = {{"data", '\0', POPT_ARG_NONE, &read_all, 0,
                                             "read all data too, and verify its checksums", NULL},
                                            POPT_TABLEEND};

static int run(const struct invocation *invocation)
{
    json_t *answer;
    int code = client_request_long(
        invocation, "GET", read_all != 0 ? "/v1/check?data=true" : "/v1/check", NULL, &answer);
    if (code != EXIT_DONE)
        return code;
    const uint64_t problems = field_number(answer, "problems");
    if (invocation->json) {
        client_print_json(answer);
    } else {
        field_print_reports(answer, problems);
        printf("Images: %" PRIu64 ", map pages: %" PRIu64 ", data blocks: %" PRIu64 " (%s)\n",
               field_number(answer, "images"), field_number(answer, "map_pages"),
               field_number(answer, "data_blocks"), read_all != 0 ? "read" : "not read");
        printf("Problems: %" PRIu64 "\n", problems);
    }
    json_decref(answer);
    return problems == 0 ? EXIT_DONE : EXIT_DAMAGED;
}

const struct command command_check = {
    .name = "check",
    .summary = "Recounts all references and verifies checksums; changes nothing.",
    .details =
        "Each problem is a line; the exit code is 0 only when there is none, and 6 when there\n"
        "is one. A served store is checked while it works. Ctrl-C cancels it (exit code 10).",
    .example = "varve check --data",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .options = options,
    .run = run,
};
