/* Running other programs: losetup, mount, mkfs and the like. */
#ifndef TOOLS_PROGRAM_H
#define TOOLS_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

enum { PROGRAM_OUTPUT = 256, PROGRAM_ARGUMENTS = 24 };

/* Runs a program to its end, with nothing on its standard input. The arguments end with NULL; the
 * first is the program, looked up in PATH. `output` (PROGRAM_OUTPUT bytes, or NULL) gets the first
 * line that it printed. Returns 0 when it ended with 0; else -ENOENT when it is not installed,
 * or -ECHILD, with varve_error() saying what the program said last. */
int program_run(const char *const arguments[], char *output);

/* Runs a program to its end in silence and returns its exit code, or -errno. */
int program_exit_code(const char *const arguments[]);

/* Starts a program in a session of its own, so that Ctrl-C does not reach it; what it prints goes
 * to the file `log`. Returns 0 or a negative errno with varve_error() set. */
int program_start(const char *const arguments[], const char *log, pid_t *ret_pid);

/* Whether the process of a descriptor from pidfd_open has ended, with all its files closed; true of
 * -1. A child is reaped by others. */
bool program_has_ended(int process);

/* Whether PATH has it. */
bool program_exists(const char *name);

/* What a program complained of, in the file that has its standard error: the last line that begins
 * with its name, or else the last line. Returns `line` (PROGRAM_OUTPUT bytes), "" without one. */
const char *program_complaint(int fd, const char *name, char *line);

#endif
