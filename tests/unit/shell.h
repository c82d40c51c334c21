/* A line of shell for tests that need another program: its exit code, or -1. */
#ifndef UNIT_SHELL_H
#define UNIT_SHELL_H

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"

static inline int shell(const char *line)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)0);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

/* The same in the scratch directory, with what it says in a file there. */
static inline int shell_in_scratch(const char *line)
{
    char text[4096];

    snprintf(text, sizeof text, "cd '%s' && { %s\n} >>log 2>&1", scratch(), line);
    return shell(text);
}

#endif
