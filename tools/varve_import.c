/* varve import: a volume from an image file. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client.h"
#include "command.h"
#include "data_door.h"
#include "deadline.h"
#include "image_copy.h"
#include "image_file.h"
#include "program.h"
#include "size.h"

static int backing_option;
static char *format_option, *socket_option, *size_option;

static const struct poptOption options[] = {
    {"format", '\0', POPT_ARG_STRING, &format_option, 0,
     "raw or qcow2 (default: what FILE looks like)", "FORMAT"},
    {"size", 's', POPT_ARG_STRING, &size_option, 0, "make the volume larger than the image",
     "SIZE"},
    {"allow-backing", '\0', POPT_ARG_NONE, &backing_option, 0,
     "also read the files that a qcow2 image names", NULL},
    {"socket", '\0', POPT_ARG_STRING, &socket_option, 0,
     "where the server listens, if there is one (default: STORE/nbd.sock)", "PATH"},
    POPT_TABLEEND,
};

/* The volume has another name until it is whole, so that half of it is never taken for all. */
enum { NAME_KEPT = 40, NAME_BYTES = 64 };

static int choose_name(const char *name, char ret_name[NAME_BYTES])
{
    unsigned long long number = 0;

    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) {
        return command_fail(EXIT_FAILED, "cannot draw a random number");
    }
    snprintf(ret_name, NAME_BYTES, "%.*s.import-%08llx", NAME_KEPT, name, number & 0xffffffff);
    return EXIT_DONE;
}

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

/* Refuses early what creating would refuse late: the copy may take hours. */
static int check_name(const char *store, const char *name)
{
    json_t *answer, *volume;
    size_t i;
    int code = client_request(store, "GET", "/v1/volumes", NULL, &answer);

    if (code != EXIT_DONE) {
        return code;
    }
    json_array_foreach(json_object_get(answer, "volumes"), i, volume)
    {
        const char *taken = json_string_value(json_object_get(volume, "name"));
        if (taken && strcmp(taken, name) == 0) {
            code =
                command_fail(EXIT_EXISTS, "volume '%s' exists already; choose another name", name);
        }
    }
    json_decref(answer);
    return code;
}

static int create(const char *store, const char *name, uint64_t bytes)
{
    json_t *parameters = json_pack("{ss sI}", "name", name, "size", (json_int_t)bytes), *answer;
    int code = client_request(store, "POST", "/v1/volumes", parameters, &answer);

    json_decref(parameters);
    if (code == EXIT_DONE) {
        json_decref(answer);
    }
    return code;
}

/* Under its own name at last; *ret_volume is the volume then. */
static int rename_volume(const char *store, const char *from, const char *to, json_t **ret_volume)
{
    char *target = client_target("/v1/volumes/", from, "/rename");
    json_t *parameters = json_pack("{ss}", "name", to);
    int code = client_request(store, "POST", target, parameters, ret_volume);

    json_decref(parameters);
    free(target);
    return code;
}

static void delete_volume(const char *store, const char *name)
{
    char *target = client_target("/v1/volumes/", name, "");

    /* nbdcopy is gone, but the server may see that a moment later */
    for (struct deadline deadline = deadline_in(10);;) {
        json_t *answer;
        int code = client_request(store, "DELETE", target, NULL, &answer);

        if (code == EXIT_DONE) {
            json_decref(answer);
        }
        if (code != EXIT_BUSY || !deadline_wait(&deadline)) {
            break;
        }
    }
    free(target);
}

static int copy_in(const struct invocation *invocation, const struct data_door *door,
                   const struct image_file *file, const char *name)
{
    char *uri = data_door_uri(door, name);
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

static void show(const struct invocation *invocation, const json_t *volume, const char *name,
                 uint64_t bytes)
{
    char size[SIZE_TEXT];

    if (invocation->json) {
        client_print_json(volume);
    } else {
        printf("Imported volume: %s (%s)\n", name, size_print(bytes, size));
    }
}

static int import(const struct invocation *invocation, const struct data_door *door,
                  const struct image_file *file, uint64_t bytes)
{
    const char *name = invocation->arguments[1];
    char hidden[NAME_BYTES];
    json_t *volume = NULL;
    int code;

    if ((code = check_name(invocation->store, name)) != EXIT_DONE ||
        (code = choose_name(name, hidden)) != EXIT_DONE ||
        (code = create(invocation->store, hidden, bytes)) != EXIT_DONE) {
        return code;
    }
    code = copy_in(invocation, door, file, hidden);
    interrupt_ignore();
    if (code == EXIT_DONE) {
        code = rename_volume(invocation->store, hidden, name, &volume);
    }
    if (code != EXIT_DONE) {
        delete_volume(invocation->store, hidden);
        return code;
    }
    show(invocation, volume, name, bytes);
    json_decref(volume);
    return EXIT_DONE;
}

static int run(const struct invocation *invocation)
{
    static struct image_file file;
    static struct data_door door;
    uint64_t bytes = 0;
    int code = check_image(invocation->arguments[0], &file, &bytes);

    if (code != EXIT_DONE) {
        return code;
    }
    interrupt_catch();
    code = data_door_open(invocation->store, socket_option, &door);
    if (code != EXIT_DONE) {
        return code;
    }
    code = import(invocation, &door, &file, bytes);
    interrupt_ignore();
    data_door_close(&door);
    return code;
}

const struct command command_import = {
    .name = "import",
    .summary = "Makes a volume from a raw or qcow2 image file.",
    .arguments = "FILE NAME",
    .details =
        "The volume has the size of the image's disk and appears under its name when all is in\n"
        "it and durable; a failure or Ctrl-C leaves nothing. Works with and without a server.\n"
        "FILE may also be a disk. Needs nbdcopy, and qemu-nbd for qcow2.",
    .example = "varve import debian-12.qcow2 debian\n"
               "varve import disk.img demo --format raw --size 20G",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 2,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_FILE},
    .options = options,
    .run = run,
};
