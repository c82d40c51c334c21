/* varve scrub: reads everything and says what is damaged, and whose it is. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "command.h"
#include "field.h"
#include "size.h"

static char *rate_option;

static const struct poptOption options[] = {
    {"rate", '\0', POPT_ARG_STRING, &rate_option, 0,
     "read at most so much a second, e.g. 20M (default: as fast as it goes)", "SIZE"},
    POPT_TABLEEND};

static void print_answer(const json_t *answer)
{
    const uint64_t damaged = field_number(answer, "damaged");
    char size[SIZE_TEXT];
    field_print_reports(answer, damaged);
    printf("Read: %s\n", size_print(field_number(answer, "bytes_read"), size));
    printf("Damaged blocks: %" PRIu64 "\n", damaged);
}

static int run(const struct invocation *invocation)
{
    char target[64];
    json_t *answer;
    uint64_t rate;
    int code = command_rate(rate_option, "read", &rate);
    if (code != EXIT_DONE)
        return code;
    if (rate > 0)
        snprintf(target, sizeof target, "/v1/scrub?rate=%" PRIu64, rate);
    else
        snprintf(target, sizeof target, "/v1/scrub");
    code = client_request_long(invocation, "GET", target, NULL, &answer);
    if (code != EXIT_DONE)
        return code;
    const bool sound = field_number(answer, "damaged") == 0;
    if (invocation->json)
        client_print_json(answer);
    else
        print_answer(answer);
    json_decref(answer);
    return sound ? EXIT_DONE : EXIT_DAMAGED;
}

const struct command command_scrub = {
    .name = "scrub",
    .summary = "Reads everything from the device and verifies checksums; changes nothing.",
    .details =
        "Each damaged block is a line with the volumes, snapshots and versions that hold it,\n"
        "the offset in them, and the number of the block (of 4096 bytes) in STORE/extents.\n"
        "What is shared is read once. The exit code is 0 only when nothing is damaged, and 6\n"
        "when something is. A served store is scrubbed while it works; `varve serve\n"
        "--scrub-rate` does it in the background. Ctrl-C cancels it (exit code 10); the next\n"
        "one begins at the beginning. `varve check` counts references as well, and needs more\n"
        "memory.",
    .example = "varve scrub --rate 50M",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .options = options,
    .run = run,
};
