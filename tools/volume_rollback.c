/* varve volumes rollback. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "size.h"
#include "volume_verbs.h"

static char *to_option;
static int no_save;

/* SNAPSHOT alone is one of the volume's. In new memory. */
static char *full_ref(const char *volume, const char *snapshot)
{
    char *ref = NULL;
    if (strchr(snapshot, '@') != NULL)
        ref = strdup(snapshot);
    else if (asprintf(&ref, "%s@%s", volume, snapshot) < 0)
        ref = NULL;
    if (ref == NULL)
        abort();
    return ref;
}

static int ask(const struct invocation *invocation, const char *ref)
{
    return command_confirm(
        invocation, "roll volume '%s' back to '%s'%s", invocation->arguments[0], ref,
        no_save ? " and lose what it holds now" : ", after a snapshot of what it holds now");
}

static void print(const json_t *volume, const char *ref)
{
    char size[SIZE_TEXT];
    if (field_text(volume, "saved")[0] != '\0')
        printf("Created snapshot: %s\n", field_text(volume, "saved"));
    printf("Rolled back volume: %s to %s (%s)\n", field_text(volume, "name"), ref,
           size_print(field_number(volume, "size"), size));
}

static int run(const struct invocation *invocation)
{
    if (to_option == NULL)
        return command_fail(EXIT_USAGE, "back to which snapshot? Say --to SNAPSHOT");
    char *ref = full_ref(invocation->arguments[0], to_option);
    int code = ask(invocation, ref);
    json_t *volume = NULL;
    if (code == EXIT_DONE)
        code = client_change(invocation,
                             client_target("/v1/volumes/", invocation->arguments[0], "/rollback"),
                             json_pack("{ss sb}", "to", ref, "save", !no_save), &volume);
    if (code == EXIT_DONE && invocation->json)
        client_print_json(volume);
    else if (code == EXIT_DONE)
        print(volume, ref);
    json_decref(volume);
    free(ref);
    return code;
}

static const struct poptOption options[] = {
    {"to", '\0', POPT_ARG_STRING, &to_option, 0,
     "one of its snapshots: SNAPSHOT or VOLUME@SNAPSHOT", "SNAPSHOT"},
    {"no-save", '\0', POPT_ARG_NONE, &no_save, 0, "take no snapshot of what it holds now", NULL},
    POPT_TABLEEND};

const struct command volume_rollback = {
    .name = "rollback",
    .summary = "Puts the content of a snapshot back into its volume.",
    .arguments = "NAME --to SNAPSHOT",
    .details =
        "What the volume holds now is saved as a snapshot first. The volume gets the snapshot's\n"
        "size, too. Nobody may have it attached. All snapshots stay. With --no-save the space\n"
        "of what only the volume holds comes back, and counts as free for a reserved volume, whose\n"
        "whole size is set aside afterwards.",
    .example = "varve volumes rollback demo --to before-upgrade",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES,
    .arguments_min = 1,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = options,
    .run = run,
};
