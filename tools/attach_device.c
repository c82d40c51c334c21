#include "attach_device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <varve/error.h>

#include "command.h"
#include "deadline.h"
#include "nbd_device.h"
#include "program.h"

enum { FREE_SECONDS = 10 };

unsigned attach_count_partitions(const char *device)
{
    const char *name = strrchr(device, '/') + 1;
    char folder[PATH_MAX];
    struct dirent *entry;
    unsigned count = 0;
    DIR *open;

    snprintf(folder, sizeof folder, "/sys/block/%s", name);
    open = opendir(folder);
    while (open && (entry = readdir(open))) {
        count += strncmp(entry->d_name, name, strlen(name)) == 0;
    }
    if (open) {
        closedir(open);
    }
    return count;
}

/* Most kernels read the table by themselves. Some have to be told, and those of small virtual
 * machines are built without any kind of table: then partx reads it for them. */
void attach_show_partitions(const char *device)
{
    const char *const partx[] = {"partx", "--add", device, NULL};
    int fd;

    if (attach_count_partitions(device) > 0) {
        return;
    }
    fd = open(device, O_RDONLY | O_CLOEXEC);
    if (fd != -1) {
        ioctl(fd, BLKRRPART);
        close(fd);
    }
    if (attach_count_partitions(device) == 0 && program_run(partx, NULL)) {
        command_warn("the partitions of %s do not appear: %s", device, varve_error());
    }
}

bool attach_is_read_only(const char *device)
{
    int fd = open(device, O_RDONLY | O_CLOEXEC), read_only = 0;

    if (fd != -1) {
        ioctl(fd, BLKROGET, &read_only);
        close(fd);
    }
    return read_only != 0;
}

static bool is_gone(const struct attachment *attachment)
{
    char loop[ATTACHMENT_DEVICE], kernel[ATTACHMENT_DEVICE];

    attach_find_loop(attachment, loop);
    attach_find_kernel(attachment, kernel);
    return loop[0] == '\0' && kernel[0] == '\0';
}

static int let_go(const struct attachment *attachment, const char *device, int fd)
{
    if (strncmp(device, "/dev/nbd", strlen("/dev/nbd")) == 0) {
        int number = nbd_find(attachment->folder);

        return number < 0 ? 0 : nbd_disconnect(number); /* gone: it was given up before */
    }
    if (ioctl(fd, LOOP_CLR_FD) == -1 && errno != ENXIO) {
        return varve_fail(errno, "%s", strerror(errno));
    }
    return 0;
}

bool attach_is_busy(const char *device)
{
    int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);
    bool busy = fd == -1 && errno == EBUSY;

    if (fd != -1) {
        close(fd);
    }
    return busy;
}

int attach_free_device(const struct attachment *attachment, const char *device)
{
    const char *const partx[] = {"partx", "--delete", device, NULL};
    int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC), error;

    if (fd == -1) {
        return command_fail(errno == EBUSY ? EXIT_BUSY : EXIT_FAILED, "%s cannot be freed: %s",
                            device, errno == EBUSY ? "it is in use" : strerror(errno));
    }
    if (fsync(fd) == -1) {
        command_warn("%s: the last writes did not reach the server: %s", device, strerror(errno));
    }
    ioctl(fd, BLKFLSBUF);
    if (attach_count_partitions(device) > 0 && program_run(partx, NULL)) {
        close(fd);
        return command_fail(EXIT_BUSY, "the partitions of %s are in use: %s", device,
                            varve_error());
    }
    error = let_go(attachment, device, fd);
    close(fd);
    if (error) {
        return command_fail(EXIT_FAILED, "%s cannot be freed: %s", device, varve_error());
    }
    for (struct deadline deadline = deadline_in(FREE_SECONDS); !is_gone(attachment);) {
        if (!deadline_wait(&deadline)) {
            return command_fail(EXIT_BUSY,
                                "%s is open in another program; it is freed when that ends, then "
                                "detach again",
                                device);
        }
    }
    return EXIT_DONE;
}
