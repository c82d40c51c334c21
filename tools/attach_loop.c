/* nbdfuse, and a loop device on the file it shows.
 *
 * Such a device does not outlive its server: libnbd does not connect again, so nbdfuse fails all
 * requests from then on. nbdkit's nbd plugin with its retry filter in the middle would connect
 * again, but it repeats whatever failed, so that a full store looks like one that hangs, and goes
 * on with any export of the name, also when it is another volume by now. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <varve/error.h>

#include "attach_device.h"
#include "attach_mounts.h"
#include "command.h"
#include "deadline.h"
#include "program.h"

enum { START_SECONDS = 30, END_SECONDS = 10 };

static void fuse_folder(const struct attachment *attachment, char folder[PATH_MAX])
{
    snprintf(folder, PATH_MAX, "%s/fuse", attachment->folder);
}

void attach_fuse_file(const struct attachment *attachment, char file[PATH_MAX])
{
    snprintf(file, PATH_MAX, "%s/fuse/volume", attachment->folder);
}

/* The part of an NBD URI: all but what every URI may hold is escaped. */
static size_t escape_uri(const char *text, char *uri, size_t size)
{
    size_t used = 0;

    for (; *text && used + 4 < size; text++) {
        bool plain = isalnum((unsigned char)*text) || strchr("-._~/", *text);

        used += (size_t)snprintf(uri + used, size - used, plain ? "%c" : "%%%02X",
                                 plain ? *text : (unsigned char)*text);
    }
    return used;
}

static void make_uri(const char *ref, const char *socket, char *uri, size_t size)
{
    size_t used = (size_t)snprintf(uri, size, "nbd+unix:///");

    used += escape_uri(ref, uri + used, size - used);
    used += (size_t)snprintf(uri + used, size - used, "?socket=");
    escape_uri(socket, uri + used, size - used);
}

/* The process whose arguments name the file, or 0. */
static pid_t find_nbdfuse(const struct attachment *attachment)
{
    char file[PATH_MAX], path[64], text[2 * PATH_MAX];
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    attach_fuse_file(attachment, file);
    while (processes && !found && (entry = readdir(processes))) {
        ssize_t length;
        int fd;

        if (!isdigit((unsigned char)entry->d_name[0])) {
            continue;
        }
        snprintf(path, sizeof path, "/proc/%.20s/cmdline", entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        length = fd == -1 ? -1 : read(fd, text, sizeof text - 1);
        if (fd != -1) {
            close(fd);
        }
        /* exactly one of its arguments, and not only the beginning of one */
        if (length > 0 && memmem(text, (size_t)length, file, strlen(file) + 1) &&
            strstr(text, "nbdfuse")) {
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    if (processes) {
        closedir(processes);
    }
    return found;
}

static int refuse_nbdfuse(const struct attachment *attachment, const char *log)
{
    char line[PROGRAM_OUTPUT] = "";
    int fd = open(log, O_RDONLY | O_CLOEXEC);

    if (fd != -1) {
        program_complaint(fd, "nbdfuse", line);
        close(fd);
    }
    return command_fail(EXIT_FAILED, "nbdfuse cannot show '%s' as a file: %s", attachment->ref,
                        line[0] ? line : "it said nothing");
}

int attach_fuse(const struct attachment *attachment, const char *socket)
{
    char folder[PATH_MAX], file[PATH_MAX], log[PATH_MAX], uri[3 * PATH_MAX];
    const char *arguments[] = {"nbdfuse", file, uri, NULL, NULL};
    struct stat status;
    pid_t pid;

    fuse_folder(attachment, folder);
    attach_fuse_file(attachment, file);
    snprintf(log, sizeof log, "%s/log", attachment->folder);
    make_uri(attachment->export, socket, uri, sizeof uri);
    if (attachment->read_only) {
        arguments[1] = "--readonly";
        arguments[2] = file;
        arguments[3] = uri;
    }
    if (mkdir(folder, 0700) == -1 && errno != EEXIST) {
        return command_fail(EXIT_FAILED, "cannot make '%s': %s", folder, strerror(errno));
    }
    if (program_start(arguments, log, &pid)) {
        return command_fail(EXIT_FAILED, "%s (apt install libnbd-bin fuse3)", varve_error());
    }
    for (struct deadline deadline = deadline_in(START_SECONDS);
         !attach_is_mountpoint(folder) || stat(file, &status) == -1;) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return refuse_nbdfuse(attachment, log);
        }
        if (!deadline_wait(&deadline)) {
            return interrupt_seen()
                       ? EXIT_FAILED
                       : command_fail(EXIT_NO_ANSWER, "nbdfuse shows no file after %d seconds",
                                      START_SECONDS);
        }
    }
    return EXIT_DONE;
}

/* Waits for the end of the process itself too, not only until it has lost its arguments: until then
 * its connection may still be there, and keep the next client from writing. */
static int await_nbdfuse(const struct attachment *attachment, int process)
{
    struct deadline deadline = deadline_in(END_SECONDS);
    pid_t pid = find_nbdfuse(attachment);

    if (pid && !attachment->complete) {
        kill(pid, SIGTERM); /* it may be about to mount */
    }
    while (find_nbdfuse(attachment) || !program_has_ended(process)) {
        if (!deadline_wait(&deadline)) {
            return command_fail(EXIT_BUSY, "nbdfuse (process %ld) does not end", (long)pid);
        }
    }
    return EXIT_DONE;
}

/* The kernel lets go of the file a moment after the loop device is gone, and refuses to unmount
 * until then. nbdfuse ends when its file system is unmounted, and writes what it holds before. */
int attach_end_fuse(const struct attachment *attachment)
{
    char folder[PATH_MAX];
    const char *const unmount[] = {"fusermount3", "-u", folder, NULL};
    struct deadline deadline = deadline_in(END_SECONDS);
    pid_t pid = find_nbdfuse(attachment);
    int process = pid ? pidfd_open(pid, 0) : -1, code;

    fuse_folder(attachment, folder);
    while (attach_is_mountpoint(folder) && program_run(unmount, NULL)) {
        if (!deadline_wait(&deadline)) {
            code = command_fail(EXIT_BUSY, "'%s' cannot be unmounted: %s", folder, varve_error());
            goto done;
        }
    }
    code = await_nbdfuse(attachment, process);
    /* it may have mounted between the two looks */
    if (code == EXIT_DONE && attach_is_mountpoint(folder) && program_run(unmount, NULL)) {
        code = command_fail(EXIT_BUSY, "'%s' cannot be unmounted: %s", folder, varve_error());
    }
done:
    if (process != -1) {
        close(process);
    }
    return code;
}

/* Past the page cache of the file: what the loop device caches is not cached twice, and random
 * writes were measured to run twice as fast. */
int attach_loop(struct attachment *attachment)
{
    char file[PATH_MAX], output[PROGRAM_OUTPUT];
    const char *read_only = attachment->read_only ? "--read-only" : NULL;
    const char *const direct[] = {"losetup",        "--find", "--show",  "--partscan",
                                  "--direct-io=on", file,     read_only, NULL};
    const char *const buffered[] = {"losetup", "--find",  "--show", "--partscan",
                                    file,      read_only, NULL};

    attach_fuse_file(attachment, file);
    if (program_run(direct, output) && program_run(buffered, output)) {
        return command_fail(EXIT_FAILED, "cannot make a loop device: %s", varve_error());
    }
    snprintf(attachment->device, sizeof attachment->device, "%.*s", ATTACHMENT_DEVICE - 1, output);
    return EXIT_DONE;
}

/* Of a loop device whose file is out of sight the kernel gives the path with " (deleted)" after it.
 */
void attach_find_loop(const struct attachment *attachment, char device[ATTACHMENT_DEVICE])
{
    char file[PATH_MAX], path[PATH_MAX], backing[PATH_MAX];
    DIR *blocks = opendir("/sys/block");
    struct dirent *entry;

    device[0] = '\0';
    attach_fuse_file(attachment, file);
    while (blocks && !device[0] && (entry = readdir(blocks))) {
        FILE *sysfs;

        if (strncmp(entry->d_name, "loop", 4) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "/sys/block/%s/loop/backing_file", entry->d_name);
        sysfs = fopen(path, "re");
        if (!sysfs) {
            continue;
        }
        if (fgets(backing, sizeof backing, sysfs)) {
            backing[strcspn(backing, "\n")] = '\0';
            if (strncmp(backing, file, strlen(file)) == 0 &&
                (backing[strlen(file)] == '\0' || backing[strlen(file)] == ' ')) {
                snprintf(device, ATTACHMENT_DEVICE, "/dev/%.50s", entry->d_name);
            }
        }
        fclose(sysfs);
    }
    if (blocks) {
        closedir(blocks);
    }
}
