#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <varve/error.h>

enum { LINE_MAX_BYTES = 512 };

static _Thread_local char line[LINE_MAX_BYTES];

const char *varve_error(void)
{
    return line;
}

void varve_error_clear(void)
{
    line[0] = '\0';
}

/* in parentheses: clang's analyzer sees macros of these names */
int(varve_fail)(int errnum, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return -errnum;
}

int(varve_no_memory)(const char *what)
{
    return varve_fail(ENOMEM, "no memory for %s", what);
}
