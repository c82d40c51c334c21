/*
 * From a command line to a subcommand's function, and the help of each level. Used by main, by
 * completion and by tests.
 */
#ifndef TOOLS_COMMAND_LINE_H
#define TOOLS_COMMAND_LINE_H

#include <stdio.h>

#include "command.h"

/* Parses and runs; returns the exit code. */
int command_line(const struct command *root, int argc, const char *const *argv);

/* The group's subcommand of that name or alias, or NULL. */
const struct command *command_find(const struct command *group, const char *name);

/* `words` are the ones that led to the command: "varve volumes create". */
void command_help(const struct command *command, const char *words, FILE *file);

/* The options that the parser adds, by the command's flags: a static table, ended as popt wants it.
 * Storing into *invocation and *help when it is parsed. */
struct command_globals {
    char *store;
    int json, yes, progress, help, version;
};
enum { COMMAND_GLOBAL_OPTIONS = 8 };
void command_global_options(const struct command *command, struct command_globals *globals,
                            struct poptOption options[COMMAND_GLOBAL_OPTIONS]);

#endif
