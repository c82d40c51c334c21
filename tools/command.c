/* What subcommands say to people: failures, warnings, questions. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/error.h>

#include "size.h"
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

/* Takes the question, and asks it; `name` NULL: yes or no. */
static int ask(char *question, const char *name)
{
    char *clean = table_clean(question), answer[256] = "";
    int code = EXIT_DONE;
    free(question);
    if (!isatty(STDIN_FILENO)) {
        code = command_fail(EXIT_USAGE, "will not %s: there is no terminal to ask on; say --yes",
                            clean);
    } else {
        fprintf(stderr, "%c%s? %s", clean[0] - 'a' + 'A', clean + 1,
                name == NULL ? "[y/N] " : "Type its name: ");
        if (fgets(answer, sizeof answer, stdin) == NULL)
            answer[0] = '\0';
        answer[strcspn(answer, "\n")] = '\0';
        if (name == NULL ? answer[0] != 'y' && answer[0] != 'Y' : strcmp(answer, name) != 0)
            code = command_fail(EXIT_FAILED, "nothing was done");
    }
    free(clean);
    return code;
}

__attribute__((format(printf, 3, 0))) static int confirm(const struct invocation *invocation,
                                                         const char *name, const char *format,
                                                         va_list arguments)
{
    char *question = NULL;
    if (invocation->yes)
        return EXIT_DONE;
    if (vasprintf(&question, format, arguments) < 0)
        return command_fail(EXIT_FAILED, "no memory");
    return ask(question, name);
}

int command_confirm(const struct invocation *invocation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = confirm(invocation, NULL, format, arguments);
    va_end(arguments);
    return code;
}

int command_confirm_typed(const struct invocation *invocation, const char *name, const char *format,
                          ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = confirm(invocation, name, format, arguments);
    va_end(arguments);
    return code;
}

int command_rate(const char *text, const char *verb, uint64_t *ret_rate)
{
    uint64_t rate = 0;
    int r = text != NULL ? size_parse(text, &rate) : 0;
    if (r < 0)
        return command_fail_error(r);
    if (text != NULL && rate == 0)
        return command_fail(EXIT_USAGE,
                            "--rate 0 would %s nothing: leave it out to %s as fast as it goes",
                            verb, verb);
    *ret_rate = rate;
    return EXIT_DONE;
}
