/* The verbs of varve volumes that change something. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "client.h"
#include "deletion.h"
#include "field.h"
#include "size.h"
#include "volume_verbs.h"

static char *create_size, *create_from, *resize_size, *shared_text;
static int create_shared, create_reserved, release_force, delete_dry_run;

/* Asks for the change, takes the parameters, and prints what came of it: "Resized volume: demo (20
 * GiB)". */
static int change(const struct invocation *invocation, const char *done, char *target,
                  json_t *parameters)
{
    json_t *volume;
    int code = client_change(invocation, target, parameters, &volume);
    if (code != EXIT_DONE)
        return code;
    char size[SIZE_TEXT];
    if (invocation->json)
        client_print_json(volume);
    else
        printf("%s volume: %s (%s)\n", done, field_text(volume, "name"),
               size_print(field_number(volume, "size"), size));
    json_decref(volume);
    return EXIT_DONE;
}

/* The volume as it is now, to ask about. */
static int fetch(const struct invocation *invocation, json_t **ret_volume)
{
    return client_ask(invocation, "GET",
                      client_target("/v1/volumes/", invocation->arguments[0], ""), NULL,
                      ret_volume);
}

static int parse_size(const char *text, json_int_t *ret_size)
{
    uint64_t bytes;
    if (text == NULL)
        return command_fail(EXIT_USAGE, "how large? Say --size SIZE, like --size 10G");
    if (size_parse(text, &bytes) < 0)
        return command_fail(EXIT_USAGE, "%s", varve_error());
    *ret_size = (json_int_t)bytes;
    return EXIT_DONE;
}

static int run_create(const struct invocation *invocation)
{
    json_int_t size = 0;
    int code =
        create_size == NULL && create_from != NULL ? EXIT_DONE : parse_size(create_size, &size);
    if (code != EXIT_DONE)
        return code;
    json_t *parameters = json_pack("{ss sb sb}", "name", invocation->arguments[0], "shared",
                                   create_shared, "reserved", create_reserved);
    bool good = parameters != NULL;
    if (create_size != NULL)
        good = good && json_object_set_new(parameters, "size", json_integer(size)) == 0;
    if (create_from != NULL)
        good = good && json_object_set_new(parameters, "from", json_string(create_from)) == 0;
    if (!good) {
        json_decref(parameters);
        parameters = NULL;
    }
    return change(invocation, "Created", client_target("/v1/volumes", "", ""), parameters);
}

/* Shrinking throws away what lies beyond the new end, so it is asked about; growing is not. */
static int confirm_resize(const struct invocation *invocation, json_int_t size)
{
    json_t *volume;
    int code = fetch(invocation, &volume);
    if (code != EXIT_DONE)
        return code;
    const uint64_t before = field_number(volume, "size");
    json_decref(volume);
    char old_text[SIZE_TEXT], new_text[SIZE_TEXT];
    if ((uint64_t)size >= before)
        return EXIT_DONE;
    return command_confirm(invocation, "shrink volume '%s' from %s to %s and lose what lies beyond",
                           invocation->arguments[0], size_print(before, old_text),
                           size_print((uint64_t)size, new_text));
}

static int run_resize(const struct invocation *invocation)
{
    json_int_t size = 0;
    int code = parse_size(resize_size, &size);
    if (code == EXIT_DONE && !invocation->yes)
        code = confirm_resize(invocation, size);
    if (code != EXIT_DONE)
        return code;
    return change(invocation, "Resized",
                  client_target("/v1/volumes/", invocation->arguments[0], "/resize"),
                  json_pack("{sI}", "size", size));
}

static int run_rename(const struct invocation *invocation)
{
    return change(invocation, "Renamed",
                  client_target("/v1/volumes/", invocation->arguments[0], "/rename"),
                  json_pack("{ss}", "name", invocation->arguments[1]));
}

static int run_set(const struct invocation *invocation)
{
    if (shared_text == NULL)
        return command_fail(EXIT_USAGE, "set what? Say --shared yes or --shared no");
    const int yes = strcmp(shared_text, "yes") == 0;
    if (!yes && strcmp(shared_text, "no") != 0)
        return command_fail(EXIT_USAGE, "--shared takes yes or no, not '%s'", shared_text);
    return change(invocation, "Changed",
                  client_target("/v1/volumes/", invocation->arguments[0], "/set"),
                  json_pack("{sb}", "shared", yes));
}

static int run_release(const struct invocation *invocation)
{
    return change(invocation, release_force ? "Released" : "Nobody writes to",
                  client_target("/v1/volumes/", invocation->arguments[0], "/release"),
                  json_pack("{sb}", "force", release_force));
}

static int confirm_delete(const struct invocation *invocation)
{
    json_t *volume;
    int code = fetch(invocation, &volume);
    if (code != EXIT_DONE)
        return code;
    char size[SIZE_TEXT], mapped[SIZE_TEXT];
    size_print(field_number(volume, "size"), size);
    size_print(field_number(volume, "mapped_bytes"), mapped);
    json_decref(volume);
    return command_confirm(invocation, "delete volume '%s' (%s, of which %s are written) for ever",
                           invocation->arguments[0], size, mapped);
}

static int run_delete(const struct invocation *invocation)
{
    const char *name = invocation->arguments[0];
    if (delete_dry_run)
        return delete_preview(invocation, "/v1/volumes/", name);
    int code = invocation->yes ? EXIT_DONE : confirm_delete(invocation);
    if (code != EXIT_DONE)
        return code;
    return delete_perform(invocation, "volume", client_target("/v1/volumes/", name, ""), NULL);
}

static const struct poptOption create_options[] = {
    {"size", 's', POPT_ARG_STRING, &create_size, 0, "its size, like 10G", "SIZE"},
    {"from", '\0', POPT_ARG_STRING, &create_from, 0,
     "clone a snapshot, a version or a volume, at once", "REF"},
    {"shared", '\0', POPT_ARG_NONE, &create_shared, 0, "let several clients write at once", NULL},
    {"reserved", '\0', POPT_ARG_NONE, &create_reserved, 0, "set its space aside now", NULL},
    POPT_TABLEEND};
static const struct poptOption resize_options[] = {
    {"size", 's', POPT_ARG_STRING, &resize_size, 0, "the new size, like 20G", "SIZE"},
    POPT_TABLEEND};
static const struct poptOption set_options[] = {{"shared", '\0', POPT_ARG_STRING, &shared_text, 0,
                                                 "whether several clients may write at once",
                                                 "yes|no"},
                                                POPT_TABLEEND};
static const struct poptOption release_options[] = {
    {"force", 'f', POPT_ARG_NONE, &release_force, 0, "take it from the client that holds it", NULL},
    POPT_TABLEEND};

static const struct poptOption delete_options[] = {DELETION_DRY_RUN(delete_dry_run), POPT_TABLEEND};

const struct command volume_create = {
    .name = "create",
    .summary = "Makes a volume that reads as zeroes, or a clone.",
    .arguments = "NAME --size SIZE | --from REF",
    .details =
        "Names have up to 63 of a-z 0-9 . _ - and start with a letter or digit. A volume costs\n"
        "no space until it is written, unless it is --reserved: then its size is set aside, and\n"
        "its writes never fail for want of space. Its snapshots and clones set aside what they\n"
        "make it share, and are refused where that is not free. A clone has the size of what it\n"
        "is made from, or a larger --size, and depends on nothing.",
    .example = "varve volumes create demo --size 10G\n"
               "varve volumes create trial --from demo@before-upgrade",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .options = create_options,
    .run = run_create,
};

const struct command volume_resize = {
    .name = "resize",
    .summary = "Grows a volume, or shrinks one that nobody has attached.",
    .arguments = "NAME --size SIZE",
    .details =
        "Clients see a new size when they connect again. Shrinking loses what lies beyond the\n"
        "new end, and asks first.",
    .example = "varve volumes resize demo --size 20G",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = resize_options,
    .run = run_resize,
};

const struct command volume_rename = {
    .name = "rename",
    .summary = "Gives a volume another name.",
    .arguments = "NAME NEW-NAME",
    .example = "varve volumes rename demo archive",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 2,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .run = run_rename,
};

const struct command volume_set = {
    .name = "set",
    .summary = "Changes a volume's switches.",
    .arguments = "NAME --shared yes|no",
    .details = "A volume that is not shared has one writing client at a time; others read.",
    .example = "varve volumes set demo --shared yes",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = set_options,
    .run = run_set,
};

const struct command volume_release = {
    .name = "release",
    .summary = "Takes a volume away from the client that writes to it.",
    .arguments = "NAME --force",
    .details =
        "Every later write of that client fails, on all its connections; it can still read.\n"
        "Without --force this only says who holds the volume.",
    .example = "varve volumes release demo --force",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = release_options,
    .run = run_release,
};

const struct command volume_delete = {
    .name = "delete",
    .summary = "Deletes a volume that nobody has attached.",
    .arguments = "NAME",
    .details = "It is gone at once, and its space comes back in the background.",
    .example = "varve volumes delete demo --dry-run\n"
               "varve volumes delete demo --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = delete_options,
    .run = run_delete,
};
