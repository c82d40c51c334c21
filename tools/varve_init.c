/* varve init: makes a store. */
#include <stdio.h>

#include <varve/error.h>
#include <varve/server.h>

#include "command.h"
#include "size.h"

static char *limit_text, *journal_text, *device;
static int force;

static const struct poptOption options[] = {
    {"limit", 'l', POPT_ARG_STRING, &limit_text, 0, "what the store may grow to", "SIZE"},
    {"journal", 'j', POPT_ARG_STRING, &journal_text, 0, "size of the journal (default 64M)",
     "SIZE"},
    {"device", 'd', POPT_ARG_STRING, &device, 0, "keep the extents on this block device", "DEVICE"},
    {"force", '\0', POPT_ARG_NONE, &force, 0, "take a device that holds something", NULL},
    POPT_TABLEEND};

/* Zero means the default to varve_init, so a zero that was typed is refused here. */
static int parse_option(const char *option, const char *text, uint64_t *ret_bytes)
{
    *ret_bytes = 0;
    if (text == NULL)
        return EXIT_DONE;
    int r = size_parse(text, ret_bytes);
    if (r < 0)
        return command_fail(EXIT_USAGE, "%s: %s", option, varve_error());
    if (*ret_bytes == 0)
        return command_fail(EXIT_USAGE, "%s: a size of 0 makes no sense", option);
    return EXIT_DONE;
}

static int run(const struct invocation *invocation)
{
    struct varve_init_options what = {.device = device, .force = force != 0};
    int code = parse_option("--limit", limit_text, &what.limit);
    if (code == EXIT_DONE)
        code = parse_option("--journal", journal_text, &what.journal_size);
    if (code != EXIT_DONE)
        return code;
    if (what.force && device == NULL)
        return command_fail(EXIT_USAGE, "--force is for --device: a folder that holds something is "
                                        "never taken");
    varve_error_clear();
    int r = varve_init(invocation->arguments[0], &what);
    if (r < 0)
        return command_fail_error(r);
    printf("Created store: %s\n", invocation->arguments[0]);
    return EXIT_DONE;
}

const struct command command_init = {
    .name = "init",
    .summary = "Makes an empty store in a directory that is empty or does not exist.",
    .arguments = "DIR",
    .details =
        "Without --limit the store may grow to four times the free space of the file system\n"
        "(or the device's size): it takes space only as volumes are written.",
    .example = "varve init /srv/store --limit 100G\n"
               "varve init /srv/store --device /dev/sdb",
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_FILE},
    .options = options,
    .run = run,
};
