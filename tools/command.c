/* What subcommands say to people: failures, warnings, questions. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/error.h>

#include "table.h"

/* One line on standard error, cleaned: the sentence may quote what a client or a file said. */
__attribute__((format(printf, 2, 0))) static void say(const char *before, const char *format,
                                                      va_list arguments)
{
    char *sentence = NULL;
    if (vasprintf(&sentence, format, arguments) < 0) {
        fprintf(stderr, "varve: no memory\n");
        return;
    }
    char *clean = table_clean(sentence);
    fprintf(stderr, "varve: %s%s\n", before, clean);
    free(clean);
    free(sentence);
}

int command_fail(enum exit_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("", format, arguments);
    va_end(arguments);
    return (int)code;
}

void command_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say("warning: ", format, arguments);
    va_end(arguments);
}

int command_fail_error(int error)
{
    const char *line = varve_error();
    return command_fail(exit_code_of(error), "%s", line[0] != '\0' ? line : strerror(-error));
}

int command_confirm(const struct invocation *invocation, const char *format, ...)
{
    if (invocation->yes)
        return EXIT_DONE;
    char *question = NULL;
    va_list arguments;
    va_start(arguments, format);
    int n = vasprintf(&question, format, arguments);
    va_end(arguments);
    if (n < 0)
        return command_fail(EXIT_FAILED, "no memory");
    char *clean = table_clean(question), answer[16] = "";
    free(question);
    int code = EXIT_DONE;
    if (!isatty(STDIN_FILENO)) {
        code = command_fail(EXIT_USAGE, "will not %s: there is no terminal to ask on; say --yes",
                            clean);
    } else {
        fprintf(stderr, "%c%s? [y/N] ", clean[0] - 'a' + 'A', clean + 1);
        if (fgets(answer, sizeof answer, stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y'))
            code = command_fail(EXIT_FAILED, "nothing was done");
    }
    free(clean);
    return code;
}
