/* varve import: a volume, or a version of a dataset, from an image file. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client.h"
#include "command.h"
#include "data_door.h"
#include "deadline.h"
#include "field.h"
#include "image_copy.h"
#include "image_file.h"
#include "program.h"
#include "size.h"
#include "table.h"

static int backing_option;
static char *format_option, *socket_option, *size_option, *message_option;

static const struct poptOption options[] = {
    {"format", '\0', POPT_ARG_STRING, &format_option, 0,
     "raw or qcow2 (default: what FILE looks like)", "FORMAT"},
    {"size", 's', POPT_ARG_STRING, &size_option, 0, "make the disk larger than the image's",
     "SIZE"},
    {"message", 'm', POPT_ARG_STRING, &message_option, 0, "what a version is, in a few words",
     "TEXT"},
    {"allow-backing", '\0', POPT_ARG_NONE, &backing_option, 0,
     "also read the files that a qcow2 image names", NULL},
    {"socket", '\0', POPT_ARG_STRING, &socket_option, 0,
     "where the server listens, if there is one (default: STORE/nbd.sock)", "PATH"},
    POPT_TABLEEND,
};

/* What is missing of a torn qcow2 file would be read as zeroes. Space that an image lost track of
 * (LEAKS) does no harm. */
static int check_qcow2(const struct image_file *file)
{
    enum { SOUND = 0, LEAKS = 3 };
    const char *const arguments[] = {"qemu-img", "check", "-q", "-f", "qcow2", file->path, NULL};
    int code = file->format == IMAGE_QCOW2 ? program_exit_code(arguments) : SOUND;

    if (code == SOUND || code == LEAKS) {
        return EXIT_DONE;
    }
    return command_fail(
        EXIT_FAILED, "'%s' is damaged, or in use: see 'qemu-img check', which does not accept it",
        file->path);
}

static int check_image(const char *named, struct image_file *file, uint64_t *ret_bytes)
{
    int code = image_file_look(named, format_option, file);

    if (code != EXIT_DONE) {
        return code;
    }
    if (file->others && !backing_option) {
        return command_fail(EXIT_NOT_PERMITTED,
                            "'%s' names other files of this host that hold a part of it; if you "
                            "trust it, add --allow-backing (or --format raw, if it is a raw image)",
                            named);
    }
    *ret_bytes = file->bytes;
    if (size_option) {
        int error = size_parse(size_option, ret_bytes);
        if (error) {
            return command_fail_error(error);
        }
        if (*ret_bytes < file->bytes) {
            return command_fail(EXIT_USAGE, "--size %s is less than the image's %llu bytes",
                                size_option, (unsigned long long)file->bytes);
        }
    }
    code = image_copy_check(file->format);
    return code == EXIT_DONE ? check_qcow2(file) : code;
}

/* --- what is made ---- */

enum { REF_BYTES = 264, NAME_KEPT = 40, SAID_MAX = 1000 };

struct import_target {
    const char *store;
    const char *named;   /* a new volume, or a dataset that is there */
    bool version;        /* of the dataset */
    const char *said;    /* the file, for the history */
    char ref[REF_BYTES]; /* what is written to */
};

/* Whether `name` is one of what a list has; `field` and `other` are where names stand in it. */
static int look_for(const struct import_target *target, const char *list, const char *field,
                    const char *other, bool *ret_found)
{
    char path[32];
    json_t *answer, *each;
    size_t i;
    int code;

    snprintf(path, sizeof path, "/v1/%s", list);
    *ret_found = false;
    code = client_request(target->store, "GET", path, NULL, &answer);
    if (code != EXIT_DONE) {
        return code;
    }
    json_array_foreach(json_object_get(answer, list), i, each)
    {
        *ret_found = *ret_found || strcmp(field_text(each, field), target->named) == 0 ||
                     strcmp(field_text(each, other), target->named) == 0;
    }
    json_decref(answer);
    return EXIT_DONE;
}

/* Refuses early what creating would refuse late: the copy may take hours. */
static int choose_target(struct import_target *target)
{
    bool taken;
    int code;

    if (strpbrk(target->named, ":@")) {
        return command_fail(EXIT_USAGE,
                            "'%s' names what is there: an import makes a new volume, or a new "
                            "version when a dataset alone is named",
                            target->named);
    }
    code = look_for(target, "datasets", "full_name", "id", &target->version);
    if (code != EXIT_DONE || target->version) {
        return code;
    }
    if (strchr(target->named, '/')) {
        return command_fail(EXIT_NOT_FOUND, "there is no dataset '%s'", target->named);
    }
    if (message_option) {
        return command_fail(EXIT_USAGE, "--message is for versions, and there is no dataset '%s'",
                            target->named);
    }
    code = look_for(target, "volumes", "name", "name", &taken);
    return code == EXIT_DONE && taken
               ? command_fail(EXIT_EXISTS, "volume '%s' exists already; choose another name",
                              target->named)
               : code;
}

/* A volume has another name until it is whole, so that half of it is never taken for all. */
static int create_volume(struct import_target *target, uint64_t bytes)
{
    unsigned long long number = 0;
    json_t *parameters, *answer;
    int code;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        return command_fail(EXIT_FAILED, "cannot draw a random number");
    }
    snprintf(target->ref, sizeof target->ref, "%.*s.import-%08llx", NAME_KEPT, target->named,
             number & 0xffffffff);
    parameters = json_pack("{ss sI ss}", "name", target->ref, "size", (json_int_t)bytes,
                           "imported_from", target->said);
    code = client_request(target->store, "POST", "/v1/volumes", parameters, &answer);
    json_decref(parameters);
    if (code == EXIT_DONE) {
        json_decref(answer);
    }
    return code;
}

static int create_version(struct import_target *target, uint64_t bytes)
{
    char *path = client_target("/v1/datasets/", target->named, "/versions");
    json_t *parameters = json_pack("{sI ss ss*}", "size", (json_int_t)bytes, "imported_from",
                                   target->said, "message", message_option),
           *answer;
    int code = client_request(target->store, "POST", path, parameters, &answer);

    free(path);
    json_decref(parameters);
    if (code == EXIT_DONE) {
        snprintf(target->ref, sizeof target->ref, "%s", field_text(answer, "ref"));
        json_decref(answer);
    }
    return code;
}

/* All is in it: a volume gets its own name, a version is complete, and the history says so.
 * *ret_made is what there is now. */
static int finish(const struct import_target *target, json_t **ret_made)
{
    char *path =
        client_target(target->version ? "/v1/versions/" : "/v1/volumes/", target->ref, "/imported");
    json_t *parameters =
        json_pack("{ss ss*}", "file", target->said, "name", target->version ? NULL : target->named);
    int code = client_request(target->store, "POST", path, parameters, ret_made);

    json_decref(parameters);
    free(path);
    return code;
}

static void delete_half(const struct import_target *target)
{
    char *path = client_target(target->version ? "/v1/versions/" : "/v1/volumes/", target->ref, "");

    /* nbdcopy is gone, but the server may see that a moment later */
    for (struct deadline deadline = deadline_in(10);;) {
        json_t *answer;
        int code = client_request(target->store, "DELETE", path, NULL, &answer);

        if (code == EXIT_DONE) {
            json_decref(answer);
        }
        if (code != EXIT_BUSY || !deadline_wait(&deadline)) {
            break;
        }
    }
    free(path);
}

/* --- the whole ---- */

static int copy_in(const struct invocation *invocation, const struct data_door *door,
                   const struct image_file *file, const char *ref)
{
    char *uri = data_door_uri(door, ref);
    const struct image_copy copy = {.step = "import",
                                    .file = file->path,
                                    .uri = uri,
                                    .format = file->format,
                                    .progress = invocation->progress,
                                    .bytes = file->bytes};
    int code = image_copy_run(&copy);

    free(uri);
    return code;
}

static void show(const struct invocation *invocation, const struct import_target *target,
                 const json_t *made)
{
    char size[SIZE_TEXT];

    if (invocation->json) {
        client_print_json(made);
    } else if (target->version) {
        printf("Created dataset version: %s\n", target->ref);
    } else {
        printf("Imported volume: %s (%s)\n", target->named,
               size_print(field_number(made, "size"), size));
    }
}

/* The history outlives the folder that the command was given in, and others read it: the whole
 * path, as a person would be shown it; of one too long for the history its end. */
static char *name_for_history(const struct image_file *file)
{
    const char *end = strlen(file->path) <= SAID_MAX ? file->path : strrchr(file->path, '/') + 1;
    json_t *sound = json_string(end);
    char *said = sound ? strdup(end) : table_clean(end);

    json_decref(sound);
    return said;
}

static int import(const struct invocation *invocation, const struct data_door *door,
                  const struct image_file *file, uint64_t bytes, const char *said)
{
    struct import_target target = {
        .store = invocation->store, .named = invocation->arguments[1], .said = said};
    json_t *made = NULL;
    int code = choose_target(&target);

    if (code == EXIT_DONE) {
        code = target.version ? create_version(&target, bytes) : create_volume(&target, bytes);
    }
    if (code != EXIT_DONE) {
        return code;
    }
    code = copy_in(invocation, door, file, target.ref);
    interrupt_ignore();
    if (code == EXIT_DONE) {
        code = image_file_is_unchanged(invocation->arguments[0], file);
    }
    if (code == EXIT_DONE) {
        code = finish(&target, &made);
    }
    if (code != EXIT_DONE) {
        delete_half(&target);
        return code;
    }
    show(invocation, &target, made);
    json_decref(made);
    return EXIT_DONE;
}

static int run(const struct invocation *invocation)
{
    static struct image_file file;
    static struct data_door door;
    uint64_t bytes = 0;
    char *said;
    int code = check_image(invocation->arguments[0], &file, &bytes);

    if (code != EXIT_DONE) {
        return code;
    }
    interrupt_catch();
    code = data_door_open(invocation->store, socket_option, &door);
    if (code != EXIT_DONE) {
        return code;
    }
    said = name_for_history(&file);
    code = import(invocation, &door, &file, bytes, said);
    free(said);
    interrupt_ignore();
    data_door_close(&door);
    return code;
}

const struct command command_import = {
    .name = "import",
    .summary = "Makes a volume, or a version of a dataset, from a raw or qcow2 image file.",
    .arguments = "FILE NAME|DATASET",
    .details =
        "NAME is a new volume: it appears when all is in it and durable. DATASET is there: it\n"
        "gets a new version, not committed yet. A failure or Ctrl-C leaves nothing of either;\n"
        "kill -9 may leave a volume NAME.import-..., or an uncommitted version that is called\n"
        "incomplete and is not committed: delete these. FILE may also be a disk. The history\n"
        "('varve log') keeps its path. Works with and without a server. Needs nbdcopy, and\n"
        "qemu-img and qemu-nbd for qcow2.",
    .example = "varve import debian-12.qcow2 debian\n"
               "varve import disk.img demo --format raw --size 20G\n"
               "varve import disk.img imagenet -m 'from the old server'",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 2,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_FILE},
    .options = options,
    .run = run,
};
