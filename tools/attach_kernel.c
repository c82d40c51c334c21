/* The kernel's nbd driver. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <varve/error.h>

#include "attach_device.h"
#include "command.h"
#include "program.h"

enum { DEVICES_MAX = 256 };

/* The volume's sector, see DESIGN: partitions made on a larger one do not fit another attach */
#define SECTOR      "512"
#define CONNECTIONS "4"

bool attach_kernel_available(void)
{
    const char *const modprobe[] = {"modprobe", "-q", "nbd", "max_part=16", NULL};

    if (!program_exists("nbd-client")) {
        return false;
    }
    return access("/sys/block/nbd0", F_OK) == 0 ||
           (program_run(modprobe, NULL) == 0 && access("/sys/block/nbd0", F_OK) == 0);
}

/* The process that connected the device, 0 when it is not connected. */
static pid_t connected_by(const char *device)
{
    char path[PATH_MAX];
    long pid = 0;
    FILE *file;

    snprintf(path, sizeof path, "/sys/block/%s/pid", strrchr(device, '/') + 1);
    file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%ld", &pid) != 1) {
            pid = 0;
        }
        fclose(file);
    }
    return (pid_t)pid;
}

bool attach_kernel_connected(const struct attachment *attachment)
{
    return attachment->kernel_client != 0 &&
           connected_by(attachment->device) == attachment->kernel_client;
}

/* Starts nbd-client, but lets it run only when the state names it: if this process dies in between,
 * the next one knows whose device it is. */
static pid_t start_client(const char *const arguments[], int error_fd, int *ret_gate)
{
    int gate[2];
    pid_t pid;
    char byte;

    if (pipe2(gate, O_CLOEXEC) == -1) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 1 && dup2(error_fd, STDOUT_FILENO) != -1 &&
            dup2(error_fd, STDERR_FILENO) != -1) {
            execvp(arguments[0], (char *const *)(uintptr_t)arguments);
        }
        _exit(127);
    }
    close(gate[0]);
    if (pid == -1) {
        close(gate[1]);
        return -1;
    }
    *ret_gate = gate[1];
    return pid;
}

/* *ret_refused: nbd-client failed, and varve_error() has what it said last. */
static int connect_device(struct attachment *attachment, const char *socket, bool *ret_refused)
{
    const char *const arguments[] = {"nbd-client",
                                     "-unix",
                                     socket,
                                     attachment->device,
                                     "-N",
                                     attachment->export,
                                     "-C",
                                     CONNECTIONS,
                                     "-b",
                                     SECTOR,
                                     attachment->read_only ? "-R" : NULL,
                                     NULL};
    char line[PROGRAM_OUTPUT];
    int error_fd = memfd_create("errors", MFD_CLOEXEC), gate, status = 0, code;
    pid_t pid = error_fd == -1 ? -1 : start_client(arguments, error_fd, &gate);

    if (pid == -1) {
        code = command_fail(EXIT_FAILED, "cannot run nbd-client: %s", strerror(errno));
        if (error_fd != -1) {
            close(error_fd);
        }
        return code;
    }
    attachment->kernel_client = pid;
    code = attachment_save(attachment);
    if (code == EXIT_DONE && write(gate, "", 1) != 1) {
        code = command_fail(EXIT_FAILED, "cannot run nbd-client: %s", strerror(errno));
    }
    close(gate);
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    *ret_refused = code == EXIT_DONE && status != 0;
    if (*ret_refused) {
        varve_fail(EIO, "%s", program_complaint(error_fd, "nbd-client", line));
    }
    close(error_fd);
    return code;
}

int attach_kernel(struct attachment *attachment, const char *socket)
{
    for (int i = 0; i < DEVICES_MAX; i++) {
        bool refused = false;
        int code;

        snprintf(attachment->device, sizeof attachment->device, "/dev/nbd%d", i);
        if (access(attachment->device, F_OK) == -1) {
            break;
        }
        if (connected_by(attachment->device) != 0) {
            continue;
        }
        code = connect_device(attachment, socket, &refused);
        if (code != EXIT_DONE) {
            return code;
        }
        if (!refused) {
            /* what the kernel says is what undoing compares with */
            attachment->kernel_client = connected_by(attachment->device);
            return attachment_save(attachment);
        }
        attachment->kernel_client = 0;
        if (connected_by(attachment->device) == 0) { /* else another attach took it meanwhile */
            return command_fail(EXIT_FAILED, "nbd-client cannot connect %s to '%s': %s",
                                attachment->device, attachment->ref, varve_error());
        }
    }
    attachment->device[0] = '\0';
    return command_fail(EXIT_BUSY, "all nbd devices of the kernel are in use");
}
