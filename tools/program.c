#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <varve/error.h>

enum { COMPLAINT_SPAN = 2048 };

/* Neither output can block the program, since both go to memory. */
static int spawn(const char *const arguments[], int output_fd, int error_fd, short flags,
                 pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
    posix_spawnattr_setflags(&attributes, flags);
    error = posix_spawnp(ret_pid, arguments[0], &actions, &attributes,
                         (char *const *)(uintptr_t)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error ? varve_fail(error, "cannot run '%s': %s", arguments[0], strerror(error)) : 0;
}

static void first_line(int fd, char *line)
{
    ssize_t length = pread(fd, line, PROGRAM_OUTPUT - 1, 0);

    line[length > 0 ? length : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

/* Most programs put their name before what matters, and some add a hint after it. */
const char *program_complaint(int fd, const char *name, char *line)
{
    char text[COMPLAINT_SPAN], *rest = text, *each;
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t length = pread(fd, text, sizeof text - 1,
                           size < (off_t)sizeof text ? 0 : size - (off_t)sizeof text + 1);
    bool named = false;

    text[length > 0 ? length : 0] = '\0';
    line[0] = '\0';
    while ((each = strsep(&rest, "\n"))) {
        bool begins = strncmp(each, name, strlen(name)) == 0 && each[strlen(name)] == ':';

        if (*each && (begins || !named)) {
            snprintf(line, PROGRAM_OUTPUT, "%s", each);
            named = begins;
        }
    }
    length = (ssize_t)strlen(line);
    if (length > 0 && line[length - 1] == '.') {
        line[length - 1] = '\0';
    }
    return line;
}

static int await(const char *name, pid_t pid, int error_fd)
{
    char line[PROGRAM_OUTPUT];
    int status;

    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            return varve_fail(errno, "lost sight of '%s': %s", name, strerror(errno));
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }
    if (WIFSIGNALED(status)) {
        return varve_fail(ECHILD, "'%s' was ended by signal %d", name, WTERMSIG(status));
    }
    if (program_complaint(error_fd, name, line)[0] == '\0') {
        return varve_fail(ECHILD, "'%s' ended with exit code %d", name, WEXITSTATUS(status));
    }
    if (strncmp(line, name, strlen(name)) == 0) {
        return varve_fail(ECHILD, "%s", line);
    }
    return varve_fail(ECHILD, "'%s' failed: %s", name, line);
}

int program_run(const char *const arguments[], char *output)
{
    int output_fd = memfd_create("output", MFD_CLOEXEC),
        error_fd = memfd_create("errors", MFD_CLOEXEC);
    pid_t pid = -1;
    int error = output_fd == -1 || error_fd == -1
                    ? varve_fail(errno, "no memory to run '%s'", arguments[0])
                    : spawn(arguments, output_fd, error_fd, 0, &pid);

    if (!error) {
        error = await(arguments[0], pid, error_fd);
    }
    if (!error && output) {
        first_line(output_fd, output);
    }
    if (output_fd != -1) {
        close(output_fd);
    }
    if (error_fd != -1) {
        close(error_fd);
    }
    return error;
}

int program_exit_code(const char *const arguments[])
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), status = 0, error;
    pid_t pid = -1;

    if (fd == -1) {
        return varve_fail(errno, "cannot open /dev/null: %s", strerror(errno));
    }
    error = spawn(arguments, fd, fd, 0, &pid);
    close(fd);
    if (error) {
        return error;
    }
    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            return varve_fail(errno, "lost sight of '%s': %s", arguments[0], strerror(errno));
        }
    }
    return WIFEXITED(status)
               ? WEXITSTATUS(status)
               : varve_fail(ECHILD, "'%s' was ended by signal %d", arguments[0], WTERMSIG(status));
}

int program_start(const char *const arguments[], const char *log, pid_t *ret_pid)
{
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), error;

    if (fd == -1) {
        return varve_fail(errno, "cannot write '%s': %s", log, strerror(errno));
    }
    error = spawn(arguments, fd, fd, POSIX_SPAWN_SETSID, ret_pid);
    close(fd);
    return error;
}

bool program_has_ended(int process)
{
    struct pollfd ended = {.fd = process, .events = POLLIN};

    return process == -1 || poll(&ended, 1, 0) > 0;
}

bool program_exists(const char *name)
{
    const char *path = getenv("PATH");
    char *folders = strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"), *rest = folders, *folder;
    char file[PATH_MAX];
    bool found = false;

    while (rest && !found && (folder = strsep(&rest, ":"))) {
        snprintf(file, sizeof file, "%s/%s", *folder ? folder : ".", name);
        found = access(file, X_OK) == 0;
    }
    free(folders);
    return found;
}
