/* `varve detach`: undoes what `varve attach` made. Needs no server. */
#include <stddef.h>
#include <unistd.h>

#include "attach_device.h"
#include "attachment.h"
#include "command.h"
#include "deadline.h"

static int force_option;

static const struct poptOption options[] = {
    {"force", '\0', POPT_ARG_NONE, &force_option, 0,
     "when the server is gone: give up what was not written yet", NULL},
    POPT_TABLEEND,
};

static int run(const struct invocation *invocation)
{
    static struct attachment attachment;
    const char *named = invocation->arguments[0];
    bool found;
    int code;

    if (geteuid() != 0) {
        return command_fail(EXIT_NOT_PERMITTED, "freeing a block device needs root");
    }
    interrupt_catch();
    code = attachment_begin(invocation->store);
    if (code != EXIT_DONE) {
        return code;
    }
    /* a ref never begins with a slash */
    code = named[0] == '/' ? attachment_find(invocation->store, named, &attachment, &found)
                           : attachment_load(invocation->store, named, &attachment, &found);
    if (code != EXIT_DONE) {
        return code;
    }
    if (!found && access(named, F_OK) == 0) { /* a path that does not begin with one */
        code = attachment_find(invocation->store, named, &attachment, &found);
        if (code != EXIT_DONE) {
            return code;
        }
    }
    if (!found) {
        return command_fail(EXIT_NOT_FOUND, "'%s' is not attached from store '%s'", named,
                            invocation->store);
    }
    code = attach_kernel_see_to_server(&attachment, force_option != 0);
    return code == EXIT_DONE ? attachment_undo(&attachment) : code;
}

const struct command command_detach = {
    .name = "detach",
    .summary = "Undoes `varve attach`: unmounts, frees the device, ends what served it.",
    .arguments = "REF|DEVICE|MOUNTPOINT",
    .details = "Refuses while a program uses the mount or the device; nothing is undone then that\n"
               "cannot be used any more. When the server is gone, a device of the kernel's nbd\n"
               "driver may still hold writes: start the server first, or lose them by --force.\n"
               "What nbdfuse held is lost with the server. Needs root.",
    .example = "varve detach demo\n"
               "varve detach /mnt",
    .options = options,
    .flags = COMMAND_STORE,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run,
};
