/* The kernel's nbd driver. */
#include <stdio.h>

#include <varve/error.h>

#include "attach_device.h"
#include "attach_watch.h"
#include "command.h"
#include "nbd_device.h"
#include "nbd_negotiate.h"

int attach_kernel(struct attachment *attachment)
{
    int code = attach_watch_start(attachment);

    return code == EXIT_DONE ? attachment_save(attachment) : code;
}

void attach_find_kernel(const struct attachment *attachment, char device[ATTACHMENT_DEVICE])
{
    int number = nbd_find(attachment->folder);

    device[0] = '\0';
    if (number >= 0) {
        snprintf(device, ATTACHMENT_DEVICE, "/dev/nbd%d", number);
    }
}

int attach_kernel_see_to_server(const struct attachment *attachment, bool give_up)
{
    int number = attachment->kernel && attachment->hold > 0 ? nbd_find(attachment->folder) : -1;

    if (number < 0 || nbd_reach(attachment->socket) == 0) {
        return EXIT_DONE;
    }
    if (!give_up) {
        return command_fail(EXIT_NO_ANSWER,
                            "the server of /dev/nbd%d is gone (%s): start it, so that what is not "
                            "written yet gets there, or add --force to lose that",
                            number, varve_error());
    }
    command_warn("the server of /dev/nbd%d is gone; what was not written yet is lost", number);
    return nbd_disconnect(number) ? command_fail(EXIT_FAILED, "%s", varve_error()) : EXIT_DONE;
}
