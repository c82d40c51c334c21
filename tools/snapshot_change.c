/* The verbs of varve snapshots that change something. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "deletion.h"
#include "field.h"
#include "size.h"
#include "snapshot_verbs.h"

enum { VOLUMES_MAX = 256 };

static char *create_name, *create_message, *create_hold, *set_message;
static int delete_dry_run;

/* Sets a member to a text, if there is one. False for what is not UTF-8. */
static bool set_text(json_t *parameters, const char *key, const char *text)
{
    return text == NULL || json_object_set_new(parameters, key, json_string(text)) == 0;
}

/* NULL when an argument is not UTF-8. */
static json_t *create_parameters(const struct invocation *invocation)
{
    json_t *parameters = json_object(), *volumes = json_array();
    bool good = true;
    for (int i = 0; i < invocation->argument_count; i++)
        good = json_array_append_new(volumes, json_string(invocation->arguments[i])) == 0 && good;
    good = json_object_set_new(parameters, "volumes", volumes) == 0 && good;
    good = good && set_text(parameters, "name", create_name) &&
           set_text(parameters, "message", create_message) &&
           set_text(parameters, "hold", create_hold);
    if (good)
        return parameters;
    json_decref(parameters);
    return NULL;
}

static void print_created(const json_t *answer)
{
    char size[SIZE_TEXT];
    size_t i;
    json_t *snapshot;
    json_array_foreach(json_object_get(answer, "snapshots"), i, snapshot)
        printf("Created snapshot: %s (%s)\n", field_text(snapshot, "ref"),
               size_print(field_number(snapshot, "size"), size));
}

static int run_create(const struct invocation *invocation)
{
    json_t *answer = NULL;
    int code = client_change(invocation, client_target("/v1/snapshots", "", ""),
                             create_parameters(invocation), &answer);
    return client_finish(invocation, code, answer, print_created);
}

static int run_set(const struct invocation *invocation)
{
    if (set_message == NULL)
        return command_fail(EXIT_USAGE, "set what? Say --message TEXT");
    json_t *snapshot = NULL;
    int code =
        client_change(invocation, client_target("/v1/snapshots/", invocation->arguments[0], "/set"),
                      json_pack("{ss}", "message", set_message), &snapshot);
    return client_finish_saying(invocation, code, snapshot, "Changed snapshot", "ref");
}

static int confirm_delete(const struct invocation *invocation)
{
    json_t *snapshot;
    int code = snapshot_fetch(invocation, invocation->arguments[0], &snapshot);
    if (code != EXIT_DONE)
        return code;
    code = command_confirm(invocation, "delete snapshot '%s' of %s for ever",
                           field_text(snapshot, "ref"), field_text(snapshot, "created"));
    json_decref(snapshot);
    return code;
}

static int run_delete(const struct invocation *invocation)
{
    const char *name = invocation->arguments[0];
    if (delete_dry_run)
        return delete_preview(invocation, "/v1/snapshots/", name);
    int code = invocation->yes ? EXIT_DONE : confirm_delete(invocation);
    if (code != EXIT_DONE)
        return code;
    return delete_perform(invocation, "snapshot", client_target("/v1/snapshots/", name, ""), NULL);
}

static const struct poptOption create_options[] = {
    {"name", '\0', POPT_ARG_STRING, &create_name, 0,
     "of all that bring none (default: the time, in UTC)", "NAME"},
    {"message", 'm', POPT_ARG_STRING, &create_message, 0, "what it is good for", "TEXT"},
    {"hold", '\0', POPT_ARG_STRING, &create_hold, 0, "keep it from being deleted, and why",
     "REASON"},
    POPT_TABLEEND};
static const struct poptOption set_options[] = {
    {"message", 'm', POPT_ARG_STRING, &set_message, 0, "what it is good for", "TEXT"},
    POPT_TABLEEND};
static const struct poptOption delete_options[] = {DELETION_DRY_RUN(delete_dry_run), POPT_TABLEEND};

const struct command snapshot_create = {
    .name = "create",
    .summary = "Takes snapshots of volumes, all at one point in time.",
    .arguments = "VOLUME[@SNAPSHOT]...",
    .details =
        "A snapshot holds what was answered before, as after a power cut that lost nothing. It\n"
        "costs no space until the volume changes, and can be attached read-only as\n"
        "VOLUME@SNAPSHOT. Either all of them are taken, or none. Of a reserved volume it\n"
        "sets aside as much space as the volume holds for itself, since all of that needs new\n"
        "space when it is written again, or is refused. When it is deleted that space is free\n"
        "again. 'varve volumes show' says how much is set aside.",
    .example = "varve snapshots create demo@before-upgrade -m 'all is well'\n"
               "varve snapshots create db logs --name nightly",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = VOLUMES_MAX,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME, COMMAND_ARGUMENT_VOLUME, COMMAND_ARGUMENT_VOLUME,
                       COMMAND_ARGUMENT_VOLUME},
    .options = create_options,
    .run = run_create,
};

const struct command snapshot_set = {
    .name = "set",
    .summary = "Gives a snapshot another message.",
    .arguments = "VOLUME@SNAPSHOT --message TEXT",
    .example = "varve snapshots set demo@before-upgrade -m 'the last good one'",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = set_options,
    .run = run_set,
};

const struct command snapshot_delete = {
    .name = "delete",
    .summary = "Deletes a snapshot that nobody has attached and nothing holds.",
    .arguments = "VOLUME@SNAPSHOT",
    .details = "Volumes and other snapshots lose nothing by it. What nothing else uses comes back\n"
               "in the background.",
    .example = "varve snapshots delete demo@before-upgrade --dry-run\n"
               "varve snapshots delete demo@before-upgrade --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = delete_options,
    .run = run_delete,
};
