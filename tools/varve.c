/* The command `varve`: its table of subcommands. */
#include <locale.h>

#include "command_line.h"

static const struct command *const commands[] = {
    &command_init,
    &command_serve,
    &command_volumes,
    &command_snapshots,
    &command_datasets,
    &command_attach,
    &command_detach,
    &command_inspect,
    &command_export,
    &command_import,
    &command_du,
    &command_holds,
    &command_log,
    &command_check,
    &command_scrub,
    &command_operations,
    &command_stats,
    &command_complete,
    NULL,
};

const struct command command_varve = {
    .name = "varve",
    .summary = "Serves volumes as network block devices from one copy-on-write store.",
    .details =
        "All but attach and detach work while the store is served (through its control door)\n"
        "and while it is not. Sizes are written 10G, 512M, 1T (powers of 1024) or in bytes.\n"
        "\n"
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 in use, 5 no space,\n"
        "6 damage found or I/O error, 7 not permitted, 8 exists already, 9 no answer from\n"
        "the server, 10 cancelled, 11 a tag is not where it was expected.",
    .example = "varve init /srv/store --limit 100G\n"
               "varve --store /srv/store volumes create demo --size 10G\n"
               "varve --store /srv/store serve",
    .flags = COMMAND_VERSION,
    .commands = commands,
};

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    return command_line(&command_varve, argc, (const char *const *)argv);
}
