/* Help, made from the same tables that the parser reads. */
#include <stdint.h>
#include <string.h>

#include "command_line.h"

enum { OPTION_COLUMN = 28, LINE_COLUMNS = 90 };

/* Words from OPTION_COLUMN on, wrapped. The cursor stands at that column. */
static void print_wrapped(const char *text, FILE *file)
{
    const size_t width = LINE_COLUMNS - OPTION_COLUMN;
    while (strlen(text) > width) {
        size_t length = width;
        while (length > 0 && text[length] != ' ')
            length--;
        if (length == 0) /* one long word */
            length = strcspn(text, " ");
        fprintf(file, "%.*s\n%*s", (int)length, text, OPTION_COLUMN, "");
        text += length;
        text += strspn(text, " ");
    }
    fprintf(file, "%s\n", text);
}

static void print_option(const struct poptOption *option, FILE *file)
{
    char left[64];
    char brief[8] = "    ";
    if (option->shortName != '\0')
        snprintf(brief, sizeof brief, "-%c, ", option->shortName);
    snprintf(left, sizeof left, "  %s--%s%s%s", brief, option->longName,
             option->argDescrip != NULL ? " " : "",
             option->argDescrip != NULL ? option->argDescrip : "");
    if (strlen(left) + 1 < OPTION_COLUMN)
        fprintf(file, "%-*s", OPTION_COLUMN, left);
    else
        fprintf(file, "%s\n%*s", left, OPTION_COLUMN, "");
    print_wrapped(option->descrip, file);
}

static void print_options(const struct command *command, FILE *file)
{
    struct command_globals unused = {0};
    struct poptOption globals[COMMAND_GLOBAL_OPTIONS];
    command_global_options(command, &unused, globals);
    fprintf(file, "\nOptions:\n");
    for (const struct poptOption *o = command->options; o != NULL && o->longName != NULL; o++)
        print_option(o, file);
    for (const struct poptOption *o = globals; o->longName != NULL; o++)
        print_option(o, file);
}

static void print_commands(const struct command *group, FILE *file)
{
    fprintf(file, "\nCommands:\n");
    for (const struct command *const *at = group->commands; *at != NULL; at++)
        if (((*at)->flags & COMMAND_HIDDEN) == 0)
            fprintf(file, "  %-10s  %s\n", (*at)->name, (*at)->summary);
}

/* Lines of text, each set in by two blanks. */
static void print_indented(const char *heading, const char *lines, FILE *file)
{
    fprintf(file, "\n%s:\n", heading);
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        fprintf(file, "  %.*s\n", (int)length, lines);
        lines += length + (lines[length] == '\n' ? 1 : 0);
    }
}

void command_help(const struct command *command, const char *words, FILE *file)
{
    fprintf(file, "Usage: %s %s%s[OPTION...]\n\n%s\n", words,
            command->run == NULL         ? "COMMAND "
            : command->arguments != NULL ? command->arguments
                                         : "",
            command->arguments != NULL ? " " : "", command->summary);
    if (command->details != NULL)
        fprintf(file, "\n%s\n", command->details);
    if (command->run == NULL)
        print_commands(command, file);
    print_options(command, file);
    if (command->example != NULL)
        print_indented("Example", command->example, file);
}
