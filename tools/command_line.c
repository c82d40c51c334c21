/* Parsing: one level of words at a time, so that an option before the verb and after it are the
 * same. */
#include "command_line.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 4, WORDS_MAX = 80 };

/* popt keeps pointers to the tables, and its contexts own the strings: both live until the command
 * is done. */
struct level {
    poptContext context;
    struct poptOption globals[COMMAND_GLOBAL_OPTIONS];
    struct poptOption both[3];
};

/* What the levels share. */
struct parse {
    struct command_globals globals;
    struct level levels[LEVELS_MAX];
    size_t depth;
    char words[WORDS_MAX]; /* "varve volumes create" */
};

const struct command *command_find(const struct command *group, const char *name)
{
    for (const struct command *const *at = group->commands; *at != NULL; at++)
        if (strcmp((*at)->name, name) == 0 ||
            ((*at)->alias != NULL && strcmp((*at)->alias, name) == 0))
            return *at;
    return NULL;
}

void command_global_options(const struct command *command, struct command_globals *globals,
                            struct poptOption options[COMMAND_GLOBAL_OPTIONS])
{
    const bool group = command->run == NULL;
    size_t n = 0;
    if (group || (command->flags & COMMAND_STORE) != 0)
        options[n++] = (struct poptOption){"store",
                                           '\0',
                                           POPT_ARG_STRING,
                                           &globals->store,
                                           0,
                                           "the store's directory (or VARVE_STORE)",
                                           "DIR"};
    if (group || (command->flags & COMMAND_JSON) != 0)
        options[n++] = (struct poptOption){
            "json", '\0', POPT_ARG_NONE, &globals->json, 0, "print JSON; sizes are bytes", NULL};
    if (group || (command->flags & COMMAND_YES) != 0)
        options[n++] =
            (struct poptOption){"yes", 'y', POPT_ARG_NONE, &globals->yes, 0, "do not ask", NULL};
    if ((command->flags & COMMAND_PROGRESS) != 0)
        options[n++] = (struct poptOption){
            "progress",
            '\0',
            POPT_ARG_NONE,
            &globals->progress,
            0,
            "tell how far it is on standard error, also where that is no terminal",
            NULL};
    if ((command->flags & COMMAND_VERSION) != 0)
        options[n++] = (struct poptOption){
            "version", 'V', POPT_ARG_NONE, &globals->version, 0, "print the version", NULL};
    options[n++] =
        (struct poptOption){"help", 'h', POPT_ARG_NONE, &globals->help, 0, "print this help", NULL};
    options[n] = (struct poptOption)POPT_TABLEEND;
}

/* Parses one level. For a group it stops at the first word. Returns an exit code. */
static int parse_level(struct parse *parse, const struct command *command, int argc,
                       const char *const *argv)
{
    static const struct poptOption none[] = {POPT_TABLEEND};
    const struct poptOption *own = command->options != NULL ? command->options : none;
    struct level *level = &parse->levels[parse->depth];
    command_global_options(command, &parse->globals, level->globals);
    level->both[0] =
        (struct poptOption){NULL, '\0', POPT_ARG_INCLUDE_TABLE, level->globals, 0, NULL, NULL};
    level->both[1] = (struct poptOption){
        NULL, '\0', POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)own, 0, NULL, NULL};
    level->both[2] = (struct poptOption)POPT_TABLEEND;
    level->context = poptGetContext("varve", argc, (const char **)(uintptr_t)argv, level->both,
                                    command->run == NULL ? POPT_CONTEXT_POSIXMEHARDER : 0);
    if (level->context == NULL)
        return command_fail(EXIT_FAILED, "no memory");
    parse->depth++;
    poptContext context = level->context;
    int r = poptGetNextOpt(context);
    while (r >= 0)
        r = poptGetNextOpt(context);
    if (r < -1)
        return command_fail(EXIT_USAGE, "%s: %s; see '%s --help'", poptBadOption(context, 0),
                            poptStrerror(r), parse->words);
    return EXIT_DONE;
}

static int check_globals(const struct parse *parse, const struct command *command)
{
    const struct command_globals *g = &parse->globals;
    const char *extra = g->store != NULL && (command->flags & COMMAND_STORE) == 0 ? "--store"
                        : g->json != 0 && (command->flags & COMMAND_JSON) == 0    ? "--json"
                        : g->yes != 0 && (command->flags & COMMAND_YES) == 0      ? "--yes"
                                                                                  : NULL;
    if (extra != NULL)
        return command_fail(EXIT_USAGE, "'%s' does not take %s; see '%s --help'", parse->words,
                            extra, parse->words);
    return EXIT_DONE;
}

static int check_arguments(const struct parse *parse, const struct command *command,
                           const struct invocation *invocation)
{
    if (invocation->argument_count < command->arguments_min)
        return command_fail(EXIT_USAGE, "something is missing: the usage is '%s %s'", parse->words,
                            command->arguments);
    if (invocation->argument_count > command->arguments_max)
        return command_fail(EXIT_USAGE, "'%s' is one argument too many for '%s'; see '%s --help'",
                            invocation->arguments[command->arguments_max], parse->words,
                            parse->words);
    for (int i = 0; i < invocation->argument_count; i++)
        if (invocation->arguments[i][0] == '\0')
            return command_fail(EXIT_USAGE, "argument %d of '%s' is empty", i + 1, parse->words);
    return EXIT_DONE;
}

static int run_leaf(const struct parse *parse, const struct command *command)
{
    static const char *const nothing[] = {NULL};
    const char **rest = poptGetArgs(parse->levels[parse->depth - 1].context);
    struct invocation invocation = {.store = parse->globals.store,
                                    .json = parse->globals.json != 0,
                                    .yes = parse->globals.yes != 0,
                                    .progress = parse->globals.progress != 0,
                                    .arguments = rest != NULL ? rest : nothing};
    while (invocation.arguments[invocation.argument_count] != NULL)
        invocation.argument_count++;
    int code = check_globals(parse, command);
    if (code == EXIT_DONE)
        code = check_arguments(parse, command, &invocation);
    if (code == EXIT_DONE && (command->flags & COMMAND_STORE) != 0) {
        if (invocation.store == NULL)
            invocation.store = getenv("VARVE_STORE");
        if (invocation.store == NULL || invocation.store[0] == '\0')
            code = command_fail(EXIT_USAGE, "which store? Say --store DIR or set VARVE_STORE");
    }
    return code == EXIT_DONE ? command->run(&invocation) : code;
}

static int run_level(struct parse *parse, const struct command *command, int argc,
                     const char *const *argv)
{
    int code = parse_level(parse, command, argc, argv);
    if (code != EXIT_DONE)
        return code;
    if (parse->globals.help != 0) {
        command_help(command, parse->words, stdout);
        return EXIT_DONE;
    }
    if (parse->globals.version != 0) {
        printf("varve %s\n", VARVE_VERSION);
        return EXIT_DONE;
    }
    if (command->run != NULL)
        return run_leaf(parse, command);
    const char **rest = poptGetArgs(parse->levels[parse->depth - 1].context);
    if (rest == NULL || rest[0] == NULL) {
        command_help(command, parse->words, stderr);
        return EXIT_USAGE;
    }
    assert(parse->depth < LEVELS_MAX);
    const struct command *next = command_find(command, rest[0]);
    if (next == NULL)
        return command_fail(EXIT_USAGE, "'%s' is not a command of '%s'; see '%s --help'", rest[0],
                            parse->words, parse->words);
    size_t used = strlen(parse->words);
    snprintf(parse->words + used, sizeof parse->words - used, " %s", next->name);
    int count = 0;
    while (rest[count] != NULL)
        count++;
    return run_level(parse, next, count, (const char *const *)rest);
}

int command_line(const struct command *root, int argc, const char *const *argv)
{
    struct parse parse = {0};
    snprintf(parse.words, sizeof parse.words, "%s", root->name);
    int code = run_level(&parse, root, argc, argv);
    while (parse.depth > 0)
        poptFreeContext(parse.levels[--parse.depth].context);
    free(parse.globals.store);
    if (fflush(stdout) != 0 || ferror(stdout))
        return code != EXIT_DONE
                   ? code
                   : command_fail(EXIT_FAILED, "cannot write the output: %s", strerror(errno));
    return code;
}
