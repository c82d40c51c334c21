#include "image_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <varve/progress.h>

#include "command.h"
#include "deadline.h"
#include "program.h"
#include "progress_line.h"

enum {
    PROGRESS_FD = 3, /* in nbdcopy */
    LOOK_MILLISECONDS = 200,
    PERCENT_ALL = 100,
};

const char *image_format_name(enum image_format format)
{
    return format == IMAGE_RAW ? "raw" : "qcow2";
}

int image_format_parse(const char *text, enum image_format *ret_format)
{
    if (strcmp(text, "raw") == 0) {
        *ret_format = IMAGE_RAW;
    } else if (strcmp(text, "qcow2") == 0) {
        *ret_format = IMAGE_QCOW2;
    } else {
        return command_fail(EXIT_USAGE, "--format '%s' is neither raw nor qcow2", text);
    }
    return EXIT_DONE;
}

int image_copy_check(enum image_format format)
{
    if (!program_exists("nbdcopy")) {
        return command_fail(EXIT_FAILED, "nbdcopy is not installed (apt install libnbd-bin)");
    }
    if (format == IMAGE_QCOW2 && (!program_exists("qemu-nbd") || !program_exists("qemu-img"))) {
        return command_fail(EXIT_FAILED, "qemu-nbd and qemu-img, which know qcow2, are not "
                                         "installed (apt install qemu-utils)");
    }
    return EXIT_DONE;
}

/* The child's part after fork: becomes the program, and ends when this process does. */
static void become(const char *const arguments[], int progress_fd, int error_fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setsid(); /* Ctrl-C comes to us, and we end it */
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(error_fd, STDERR_FILENO);
    if (progress_fd == PROGRESS_FD) {
        fcntl(progress_fd, F_SETFD, 0);
    } else {
        dup2(progress_fd, PROGRESS_FD);
    }
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

/* nbdcopy writes lines "37/100". Returns false at the end. */
static bool read_percent(int fd, unsigned *percent)
{
    char text[256];
    ssize_t length = read(fd, text, sizeof text - 1);
    char *line = text, *each;

    if (length <= 0) {
        return length == -1 && errno == EINTR;
    }
    text[length] = '\0';
    while ((each = strsep(&line, "\n"))) {
        unsigned value;
        if (sscanf(each, "%u/100", &value) == 1 && value <= PERCENT_ALL) {
            *percent = value;
        }
    }
    return true;
}

static void watch(const struct image_copy *copy, int fd, pid_t pid)
{
    struct progress_line *line = progress_line_new(copy->progress);
    struct varve_operation operation = {.unit = "bytes", .total = copy->bytes};
    unsigned percent = 0;
    bool more = true;

    snprintf(operation.step, sizeof operation.step, "%s", copy->step);
    while (more && !interrupt_seen()) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};

        if (poll(&ready, 1, LOOK_MILLISECONDS) > 0) {
            more = read_percent(fd, &percent);
        }
        operation.done = copy->bytes / PERCENT_ALL * percent;
        progress_line_show(line, &operation);
    }
    if (interrupt_seen()) {
        kill(pid, SIGTERM);
    }
    progress_line_free(line);
}

static int judge(int status, int error_fd)
{
    char line[PROGRAM_OUTPUT];

    if (interrupt_seen()) {
        return command_fail(EXIT_CANCELLED, "cancelled");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return EXIT_DONE;
    }
    if (program_complaint(error_fd, "nbdcopy", line)[0] == '\0') {
        return command_fail(EXIT_FAILED, "nbdcopy failed without a reason (status %#x)", status);
    }
    return command_fail(strstr(line, "No space left") ? EXIT_NO_SPACE : EXIT_FAILED,
                        "the copy failed: %s", line);
}

static int run_program(const struct image_copy *copy, const char *const arguments[])
{
    int fds[2], error_fd = memfd_create("errors", MFD_CLOEXEC), status = 0;
    pid_t pid;
    int code;

    if (error_fd == -1 || pipe2(fds, O_CLOEXEC) == -1) {
        code = command_fail(EXIT_FAILED, "cannot run nbdcopy: %s", strerror(errno));
    } else {
        pid = fork();
        if (pid == 0) {
            become(arguments, fds[1], error_fd);
        }
        close(fds[1]);
        if (pid > 0) {
            watch(copy, fds[0], pid);
            while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
            }
        }
        close(fds[0]);
        code = pid > 0 ? judge(status, error_fd)
                       : command_fail(EXIT_FAILED, "cannot run nbdcopy: %s", strerror(errno));
    }
    if (error_fd != -1) {
        close(error_fd);
    }
    return code;
}

/* The words that name the file to nbdcopy. */
static unsigned add_file(const struct image_copy *copy, const char **arguments)
{
    unsigned count = 0;

    if (copy->format == IMAGE_RAW) {
        arguments[count++] = copy->file;
        return count;
    }
    arguments[count++] = "[";
    arguments[count++] = "qemu-nbd";
    arguments[count++] = "--format=qcow2";
    arguments[count++] = copy->to_file ? "--cache=writeback" : "--read-only";
    arguments[count++] = copy->file;
    arguments[count++] = "]";
    return count;
}

int image_copy_run(const struct image_copy *copy)
{
    const char *arguments[PROGRAM_ARGUMENTS] = {"nbdcopy", "--progress=3", "--flush",
                                                "--destination-is-zero"};
    unsigned count = 4;

    /* nbdcopy writes whole requests, holes in them too */
    if (copy->exact) {
        arguments[count++] = "--sparse=0";
        arguments[count++] = "--request-size=4096";
    }
    arguments[count++] = "--";
    if (copy->to_file) {
        arguments[count++] = copy->uri;
    }
    count += add_file(copy, arguments + count);
    if (!copy->to_file) {
        arguments[count++] = copy->uri;
    }
    arguments[count] = NULL;
    return run_program(copy, arguments);
}
