/* `varve attach`: a local block device of an export, and what people do with one. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <varve/error.h>

#include "attach_device.h"
#include "attach_mkfs.h"
#include "attach_mounts.h"
#include "attach_watch.h"
#include "attachment.h"
#include "client.h"
#include "command.h"
#include "data_door.h"
#include "deadline.h"
#include "field.h"
#include "nbd_device.h"
#include "program.h"

enum {
    HOLD_DEFAULT = 600,
    HOLD_MAX = 86400,
    /* Not below the longest time that a request may take while the server lives: it is sent again
     * then, and the server does both, maybe the older one after writes that came later. */
    RETRY_DEFAULT = 30,
    RETRY_MIN = 2,
    RETRY_MAX = 3600,
};

static int read_only_option, force_option;
static int hold_option = HOLD_DEFAULT, retry_option = RETRY_DEFAULT;
static char *mkfs_option, *socket_option, *driver_option;

static const struct poptOption options[] = {
    {"read-only", 'r', POPT_ARG_NONE, &read_only_option, 0, "take no write lease", NULL},
    {"mkfs", '\0', POPT_ARG_STRING, &mkfs_option, 0,
     "make a file system first: ext4, xfs, btrfs, vfat, swap, ...", "TYPE"},
    {"force", '\0', POPT_ARG_NONE, &force_option, 0,
     "with --mkfs: also when there is something on it", NULL},
    {"socket", '\0', POPT_ARG_STRING, &socket_option, 0,
     "where the server listens (default: STORE/nbd.sock)", "PATH"},
    {"driver", '\0', POPT_ARG_STRING, &driver_option, 0,
     "nbd (the kernel's) or fuse (nbdfuse and a loop device); default: nbd where it is there",
     "NAME"},
    {"hold", '\0', POPT_ARG_INT, &hold_option, 0,
     "with nbd: how long the device waits for a server that is gone; 0: its requests fail at once "
     "(default: 600)",
     "SECONDS"},
    {"retry", '\0', POPT_ARG_INT, &retry_option, 0,
     "with nbd: send a request that has no answer again after so long (default: 30)", "SECONDS"},
    POPT_TABLEEND,
};

struct plan {
    const char *ref;
    char socket[PATH_MAX];
    char mountpoint[PATH_MAX]; /* or "" */
    bool kernel;
    bool partitioned; /* the volume has partitions now */
    bool frozen;
    char export[ATTACHMENT_REF]; /* what the ref names now */
    char type[32];               /* of the file system on it, or "" */
};

static int check_options(const struct invocation *invocation, struct plan *plan)
{
    struct stat status;

    if (geteuid() != 0) {
        return command_fail(EXIT_NOT_PERMITTED, "making a block device needs root");
    }
    if (read_only_option && mkfs_option) {
        return command_fail(EXIT_USAGE, "--mkfs writes, and --read-only forbids it");
    }
    if (force_option && !mkfs_option) {
        return command_fail(EXIT_USAGE, "--force is only for --mkfs");
    }
    if (driver_option && strcmp(driver_option, "nbd") != 0 && strcmp(driver_option, "fuse") != 0) {
        return command_fail(EXIT_USAGE, "--driver '%s' is neither nbd nor fuse", driver_option);
    }
    if (hold_option < 0 || hold_option > HOLD_MAX) {
        return command_fail(EXIT_USAGE, "--hold %d is not between 0 and %d seconds", hold_option,
                            HOLD_MAX);
    }
    if (retry_option < RETRY_MIN || retry_option > RETRY_MAX) {
        return command_fail(EXIT_USAGE, "--retry %d is not between %d and %d seconds", retry_option,
                            RETRY_MIN, RETRY_MAX);
    }
    plan->ref = invocation->arguments[0];
    if (invocation->argument_count > 1) {
        if (!realpath(invocation->arguments[1], plan->mountpoint)) {
            return command_fail(EXIT_USAGE, "mountpoint '%s': %s", invocation->arguments[1],
                                strerror(errno));
        }
        if (stat(plan->mountpoint, &status) == -1 || !S_ISDIR(status.st_mode)) {
            return command_fail(EXIT_USAGE, "mountpoint '%s' is not a directory", plan->mountpoint);
        }
        if (mkfs_option && strcmp(mkfs_option, "swap") == 0) {
            return command_fail(EXIT_USAGE, "swap cannot be mounted: leave the mountpoint out");
        }
    }
    return mkfs_option ? attach_check_mkfs(mkfs_option) : EXIT_DONE;
}

static int choose_driver(struct plan *plan)
{
    bool available = nbd_available();

    plan->kernel = driver_option ? strcmp(driver_option, "nbd") == 0 : available;
    if (plan->kernel && !available) {
        return command_fail(EXIT_FAILED, "the kernel has no nbd driver here: try --driver fuse");
    }
    if (!plan->kernel && (!program_exists("nbdfuse") || !program_exists("fusermount3"))) {
        return command_fail(EXIT_FAILED,
                            "neither the kernel's nbd driver nor nbdfuse is there (apt "
                            "install libnbd-bin fuse3)");
    }
    return EXIT_DONE;
}

/* The server itself says what is on the volume, which also proves that it runs and knows the ref.
 */
static int check_content(const char *store, struct plan *plan)
{
    char *target = client_target("/v1/inspect?ref=", plan->ref, "");
    json_t *answer;
    int code = client_request_server(store, "GET", target, NULL, &answer);
    bool blank;

    free(target);
    if (code != EXIT_DONE) {
        return code;
    }
    blank = json_is_true(json_object_get(answer, "blank"));
    plan->frozen = json_is_true(json_object_get(answer, "frozen"));
    snprintf(plan->export, sizeof plan->export, "%s", field_text(answer, "export"));
    snprintf(plan->type, sizeof plan->type, "%s",
             field_text(json_object_get(answer, "content"), "type"));
    plan->partitioned = json_array_size(json_object_get(answer, "partitions")) > 0;
    json_decref(answer);
    if (mkfs_option && plan->frozen) {
        return command_fail(EXIT_NOT_PERMITTED,
                            "'%s' is frozen and can only be read; --mkfs needs a volume, such as a "
                            "clone of it (`varve volumes create NAME --from %s`)",
                            plan->ref, plan->ref);
    }
    if (mkfs_option && !blank && !force_option) {
        return command_fail(EXIT_EXISTS,
                            "'%s' is not blank (see `varve inspect %s`): --mkfs would destroy what "
                            "is on it; add --force to do so",
                            plan->ref, plan->ref);
    }
    if (!mkfs_option && plan->mountpoint[0] && blank) {
        return command_fail(EXIT_USAGE, "'%s' is blank, there is nothing to mount%s", plan->ref,
                            plan->frozen || read_only_option
                                ? ""
                                : ": add --mkfs ext4 to make a file system first");
    }
    if (!mkfs_option && plan->mountpoint[0] && plan->partitioned) {
        return command_fail(EXIT_USAGE,
                            "'%s' has partitions: attach it without a mountpoint, and mount one of "
                            "the partitions of the device that is printed",
                            plan->ref);
    }
    return EXIT_DONE;
}

/* Nobody can replay the journal of what is frozen, so it is mounted without. */
static const char *read_only_options(const struct plan *plan)
{
    if (plan->frozen && (strcmp(plan->type, "ext4") == 0 || strcmp(plan->type, "ext3") == 0)) {
        return "ro,noload";
    }
    if (plan->frozen && strcmp(plan->type, "xfs") == 0) {
        return "ro,norecovery,nouuid";
    }
    return "ro";
}

static int mount_device(struct attachment *attachment, const struct plan *plan)
{
    const char *arguments[] = {"mount", attachment->device, attachment->mountpoint, NULL, NULL,
                               NULL};

    if (attachment->read_only) {
        arguments[3] = "-o";
        arguments[4] = read_only_options(plan);
    }
    return program_run(arguments, NULL) ? command_fail(EXIT_FAILED, "%s", varve_error())
                                        : EXIT_DONE;
}

/* Each step that leaves something behind is in the state before it, or is found without it. */
static int make_all(struct attachment *attachment, const struct plan *plan)
{
    int code = attachment_save(attachment);

    if (code == EXIT_DONE && plan->kernel) {
        code = attach_kernel(attachment);
    } else if (code == EXIT_DONE) {
        code = attach_fuse(attachment, plan->socket);
        code = code == EXIT_DONE ? attach_loop(attachment) : code;
    }
    if (code == EXIT_DONE && !attachment->read_only && attach_is_read_only(attachment->device)) {
        if (mkfs_option) {
            return command_fail(EXIT_NOT_PERMITTED,
                                "'%s' can only be read: another client writes it, or it is frozen "
                                "(see `varve volumes show %s`)",
                                plan->ref, plan->ref);
        }
        command_warn("'%s' can only be read: another client writes it, or it is frozen", plan->ref);
        attachment->read_only = true;
    }
    if (code == EXIT_DONE && mkfs_option) {
        code = attach_mkfs(mkfs_option, attachment->device);
    } else if (code == EXIT_DONE && plan->partitioned) {
        attach_show_partitions(attachment->device);
    }
    if (code == EXIT_DONE && attachment->mountpoint[0]) {
        code = mount_device(attachment, plan);
    }
    if (code == EXIT_DONE && interrupt_seen()) {
        return EXIT_FAILED;
    }
    attachment->complete = code == EXIT_DONE;
    return code == EXIT_DONE ? attachment_save(attachment) : code;
}

/* What an earlier attach left when it died, or a reboot, goes first. */
static int clear_place(struct attachment *attachment)
{
    if (attachment_is_live(attachment)) {
        return command_fail(EXIT_BUSY, "'%s' is attached already, as %s: `varve detach %s` first",
                            attachment->ref, attachment->device, attachment->ref);
    }
    command_warn("undoing what an earlier attach of '%s' left", attachment->ref);
    return attachment_undo(attachment);
}

static bool is_unwatched(const struct attachment *attachment)
{
    return attachment->kernel && attachment->hold > 0 && attachment_is_live(attachment) &&
           !attach_watch_lives(attachment);
}

static void show(const struct invocation *invocation, const struct attachment *attachment)
{
    json_t *object;

    if (!invocation->json) {
        puts(attachment->device);
        return;
    }
    object = json_pack(
        "{ss ss so sb sI}", "ref", attachment->ref, "device", attachment->device, "mountpoint",
        attachment->mountpoint[0] ? json_string(attachment->mountpoint) : json_null(), "read_only",
        attachment->read_only, "partitions",
        (json_int_t)attach_count_partitions(attachment->device));
    client_print_json(object);
    json_decref(object);
}

static int run(const struct invocation *invocation)
{
    static struct plan plan;
    static struct attachment attachment;
    bool found;
    int code;

    if ((code = check_options(invocation, &plan)) != EXIT_DONE ||
        (code = choose_driver(&plan)) != EXIT_DONE ||
        (code = data_door_find_socket(invocation->store, socket_option, plan.socket)) !=
            EXIT_DONE ||
        (code = check_content(invocation->store, &plan)) != EXIT_DONE) {
        return code;
    }
    interrupt_catch();
    if ((code = attachment_begin(invocation->store)) != EXIT_DONE ||
        (code = attachment_load(invocation->store, plan.ref, &attachment, &found)) != EXIT_DONE) {
        return code;
    }
    if (found && is_unwatched(&attachment)) {
        command_warn("'%s' is attached; the process that watched %s was killed, starting another",
                     plan.ref, attachment.device);
        code = attach_watch_start(&attachment);
        if (code == EXIT_DONE) {
            show(invocation, &attachment);
        }
        return code;
    }
    if (found && (code = clear_place(&attachment)) != EXIT_DONE) {
        return code;
    }
    (void)attachment_load(invocation->store, plan.ref, &attachment, &found);
    snprintf(attachment.mountpoint, sizeof attachment.mountpoint, "%s", plan.mountpoint);
    snprintf(attachment.export, sizeof attachment.export, "%s", plan.export);
    snprintf(attachment.socket, sizeof attachment.socket, "%s", plan.socket);
    attachment.kernel = plan.kernel;
    attachment.hold = hold_option;
    attachment.retry = retry_option;
    attachment.read_only = read_only_option != 0 || plan.frozen;
    code = make_all(&attachment, &plan);
    if (code == EXIT_DONE) {
        show(invocation, &attachment);
        return EXIT_DONE;
    }
    if (interrupt_seen()) {
        command_warn("interrupted; undoing");
    }
    interrupt_ignore();
    attachment.complete = false;
    (void)attachment_undo(&attachment);
    return code;
}

const struct command command_attach = {
    .name = "attach",
    .summary = "Makes a local block device of an export and prints its path.",
    .arguments = "REF [MOUNTPOINT]",
    .details = "With MOUNTPOINT, what is on the device is mounted there. `varve detach` undoes it "
               "all.\nNeeds root, and a server that runs on this machine.\n"
               "\n"
               "On the kernel's nbd driver the device outlives the server: when that stops or\n"
               "dies, requests wait (--hold), and go on when it is back. A process stays behind\n"
               "for this and connects again, if the export is the same as before. Requests that\n"
               "the old server took and did not answer are sent again after --retry seconds.\n"
               "Without that driver (nbdfuse and a loop device), all requests fail from the\n"
               "moment the server is gone: unmount, `varve detach` and attach again.",
    .example = "varve attach demo\n"
               "varve attach demo --mkfs ext4 /mnt\n"
               "varve attach demo@before-upgrade /mnt",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME, COMMAND_ARGUMENT_FILE},
    .options = options,
    .run = run,
};
