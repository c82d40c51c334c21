/* varve export: what a ref names, as an image file. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <varve/error.h>

#include "client.h"
#include "command.h"
#include "data_door.h"
#include "deadline.h"
#include "field.h"
#include "image_copy.h"
#include "program.h"
#include "size.h"

static int force_option;
static char *format_option, *socket_option;

static const struct poptOption options[] = {
    {"format", '\0', POPT_ARG_STRING, &format_option, 0,
     "raw or qcow2 (default: qcow2 for a FILE that ends in .qcow2)", "FORMAT"},
    {"force", '\0', POPT_ARG_NONE, &force_option, 0, "replace FILE if it is there", NULL},
    {"socket", '\0', POPT_ARG_STRING, &socket_option, 0,
     "where the server listens, if there is one (default: STORE/nbd.sock)", "PATH"},
    POPT_TABLEEND,
};

struct export_plan {
    const char *ref;
    enum image_format format;
    char folder[PATH_MAX]; /* where FILE shall be, absolute */
    char file[PATH_MAX];
    char temporary[PATH_MAX]; /* "" before it is made */
    uint64_t bytes;
};

/* The file may have appeared since it was looked for: without --force it is linked, not renamed. */
static int refuse_existing(const char *file)
{
    return command_fail(EXIT_EXISTS, "'%s' exists already; add --force to replace it", file);
}

static int check_file(const char *named, struct export_plan *plan)
{
    char *copy = strdup(named), *other = strdup(named);
    struct stat status;
    int code = EXIT_DONE, length;

    if (!copy || !other || !realpath(dirname(copy), plan->folder)) {
        code = command_fail(exit_code_of(-errno), "cannot write '%s': its folder: %s", named,
                            strerror(errno));
    } else {
        length = snprintf(plan->file, sizeof plan->file, "%s/%s", plan->folder, basename(other));
        if (length >= PATH_MAX - 16) {
            code = command_fail(EXIT_USAGE, "the path of '%s' is too long", named);
        } else if (lstat(plan->file, &status) == 0 && !S_ISREG(status.st_mode)) {
            code = command_fail(EXIT_EXISTS,
                                "'%s' is there and is no regular file; to write to a device, use "
                                "nbdcopy",
                                named);
        } else if (!force_option && lstat(plan->file, &status) == 0) {
            code = refuse_existing(named);
        }
    }
    free(copy);
    free(other);
    return code;
}

static int make_temporary(struct export_plan *plan)
{
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    snprintf(plan->temporary, sizeof plan->temporary, "%.*s.XXXXXX", PATH_MAX - 16, plan->file);
    fd = mkstemp(plan->temporary);
    if (fd == -1) {
        plan->temporary[0] = '\0';
        return command_fail(exit_code_of(-errno), "cannot write in '%s': %s", plan->folder,
                            strerror(errno));
    }
    (void)fchmod(fd, 0666 & ~mask);
    close(fd);
    return EXIT_DONE;
}

static int make_qcow2(const struct export_plan *plan)
{
    char size[32];
    const char *const arguments[] = {"qemu-img", "create",        "-q", "-f",
                                     "qcow2",    plan->temporary, size, NULL};

    snprintf(size, sizeof size, "%llu", (unsigned long long)plan->bytes);
    return program_run(arguments, NULL) ? command_fail(EXIT_FAILED, "%s", varve_error())
                                        : EXIT_DONE;
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC), error = 0;

    if (fd == -1 || fsync(fd) == -1) {
        error = errno;
    }
    if (fd != -1) {
        close(fd);
    }
    return error ? command_fail(exit_code_of(-error), "cannot sync '%s': %s", path, strerror(error))
                 : EXIT_DONE;
}

static int give_name(struct export_plan *plan)
{
    int code = sync_path(plan->temporary, 0);

    if (code != EXIT_DONE) {
        return code;
    }
    if (force_option) {
        if (rename(plan->temporary, plan->file) == -1) {
            return command_fail(exit_code_of(-errno), "cannot make '%s': %s", plan->file,
                                strerror(errno));
        }
        plan->temporary[0] = '\0';
    } else if (renameat2(AT_FDCWD, plan->temporary, AT_FDCWD, plan->file, RENAME_NOREPLACE) == 0) {
        plan->temporary[0] = '\0';
    } else if (errno == EEXIST) {
        return refuse_existing(plan->file);
    } else if (link(plan->temporary, plan->file) == -1) { /* where rename knows no such flag */
        return command_fail(exit_code_of(-errno), "cannot make '%s': %s", plan->file,
                            strerror(errno));
    }
    return sync_path(plan->folder, O_DIRECTORY);
}

static int ask_size(const char *store, struct export_plan *plan)
{
    char *target = client_target("/v1/exports/", plan->ref, "");
    json_t *answer;
    int code = client_request(store, "GET", target, NULL, &answer);

    free(target);
    if (code != EXIT_DONE) {
        return code;
    }
    plan->bytes = field_number(answer, "size");
    json_decref(answer);
    return EXIT_DONE;
}

static int copy_out(const struct invocation *invocation, const struct data_door *door,
                    struct export_plan *plan)
{
    char *uri = data_door_uri(door, plan->ref);
    const struct image_copy copy = {.step = "export",
                                    .file = plan->temporary,
                                    .uri = uri,
                                    .format = plan->format,
                                    .to_file = true,
                                    .exact = strstr(plan->ref, "..") != NULL,
                                    .progress = invocation->progress,
                                    .bytes = plan->bytes};
    int code = make_temporary(plan);

    if (code == EXIT_DONE && plan->format == IMAGE_QCOW2) {
        code = make_qcow2(plan);
    } else if (code == EXIT_DONE && truncate(plan->temporary, (off_t)plan->bytes) == -1) {
        code = command_fail(exit_code_of(-errno), "cannot make a file of %llu bytes: %s",
                            (unsigned long long)plan->bytes, strerror(errno));
    }
    if (code == EXIT_DONE) {
        code = image_copy_run(&copy);
    }
    free(uri);
    return code;
}

static void show(const struct invocation *invocation, const struct export_plan *plan)
{
    char size[SIZE_TEXT];

    if (invocation->json) {
        json_t *object =
            json_pack("{ss ss ss sI}", "ref", plan->ref, "file", plan->file, "format",
                      image_format_name(plan->format), "size", (json_int_t)plan->bytes);
        client_print_json(object);
        json_decref(object);
    } else {
        printf("Exported %s: %s (%s, %s)\n", plan->ref, plan->file, image_format_name(plan->format),
               size_print(plan->bytes, size));
    }
}

/* What a file is called it should be. */
static enum image_format format_of_name(const char *name)
{
    static const char ending[] = ".qcow2";
    const size_t length = strlen(name), tail = sizeof ending - 1;

    return length > tail && strcmp(name + length - tail, ending) == 0 ? IMAGE_QCOW2 : IMAGE_RAW;
}

static int run(const struct invocation *invocation)
{
    static struct export_plan plan;
    static struct data_door door;
    int code = format_option ? image_format_parse(format_option, &plan.format) : EXIT_DONE;

    if (format_option == NULL) {
        plan.format = format_of_name(invocation->arguments[1]);
    }
    plan.ref = invocation->arguments[0];
    if (code == EXIT_DONE && plan.format == IMAGE_QCOW2 && strstr(plan.ref, "..")) {
        code = command_fail(EXIT_USAGE, "a difference is exported as raw: a qcow2 file cannot say "
                                        "what differs without its base");
    }
    if (code != EXIT_DONE || (code = image_copy_check(plan.format)) != EXIT_DONE ||
        (code = check_file(invocation->arguments[1], &plan)) != EXIT_DONE) {
        return code;
    }
    interrupt_catch();
    code = data_door_open(invocation->store, socket_option, &door);
    if (code != EXIT_DONE) {
        return code;
    }
    code = ask_size(invocation->store, &plan);
    if (code == EXIT_DONE) {
        code = copy_out(invocation, &door, &plan);
    }
    if (code == EXIT_DONE) {
        code = give_name(&plan);
    }
    interrupt_ignore();
    if (plan.temporary[0]) {
        unlink(plan.temporary);
    }
    data_door_close(&door);
    if (code == EXIT_DONE) {
        show(invocation, &plan);
    }
    return code;
}

const struct command command_export = {
    .name = "export",
    .summary = "Writes what a ref names to a file, as a raw or qcow2 image.",
    .arguments = "REF FILE",
    .details =
        "FILE appears when it is whole and on disk, and takes only the space that data needs.\n"
        "REF is a volume, a snapshot, a version, or A..B: then FILE has data where B differs\n"
        "from A, and holes elsewhere. A volume that is written meanwhile gives a file that\n"
        "never was: export a snapshot. Works with and without a server; Ctrl-C cancels it.\n"
        "Needs nbdcopy, and qemu-img and qemu-nbd for qcow2.",
    .example = "varve export demo@monday monday.img\n"
               "varve export imagenet:latest imagenet.qcow2",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 2,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME, COMMAND_ARGUMENT_FILE},
    .options = options,
    .run = run,
};
