/* varve datasets files. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/error.h>

#include "client.h"
#include "client_stream.h"
#include "dataset_verbs.h"
#include "field.h"
#include "table.h"

static char *id, *path;
static int recursive;

/* "/v1/files/REF?path=PATH". */
static char *files_target(const char *ref)
{
    char *before = client_target("/v1/files/", ref, "?path=");
    char *target =
        client_target(before, path != NULL ? path : "/", recursive ? "&recursive=true" : "");
    free(before);
    return target;
}

static void add_row(struct table *table, const json_t *file)
{
    char *name = NULL;
    const char *target = field_text(file, "target");
    table_text(table, field_text(file, "type"));
    table_text(table, field_text(file, "mode"));
    table_number(table, field_number(file, "uid"));
    table_number(table, field_number(file, "gid"));
    table_number(table, field_number(file, "size"));
    table_number(table, field_number(file, "links"));
    table_text(table, field_text(file, "modified"));
    if (target[0] == '\0' || asprintf(&name, "%s -> %s", field_text(file, "path"), target) < 0)
        name = NULL;
    table_text(table, name != NULL ? name : field_text(file, "path"));
    free(name);
}

enum { ROWS_AT_ONCE = 1000 };

/* One line of the answer: a file of the array, or what stands around it. */
static int show_line(struct table *table, const char *line, size_t length, size_t *rows)
{
    while (length > 0 && strchr(",\n", line[length - 1]) != NULL)
        length--;
    json_t *file = json_loadb(line, length, JSON_ALLOW_NUL, NULL);
    if (file == NULL)
        return length > 0 && line[0] == '{' && strncmp(line, "{\"files\"", 8) != 0
                   ? varve_fail(EIO, "the answer has a line that is not JSON")
                   : 0;
    add_row(table, file);
    json_decref(file);
    if (++*rows % ROWS_AT_ONCE == 0)
        table_print_rows(table, stdout);
    return 0;
}

/* The list as it comes: as rows, so that no list is too long. */
static int show_rows(FILE *answer)
{
    static const char *const headings[] = {"TYPE",  "MODE",     "UID",  "GID", "SIZE",
                                           "LINKS", "MODIFIED", "PATH", NULL};
    struct table *table = table_new("llrrrrll", headings);
    char *line = NULL;
    size_t room = 0, rows = 0;
    ssize_t length;
    int r = 0;

    while (r == 0 && (length = getline(&line, &room, answer)) > 0)
        r = show_line(table, line, (size_t)length, &rows);
    if (r == 0 && rows > 0)
        table_print_rows(table, stdout);
    free(line);
    table_free(table);
    return r;
}

static int show_json(FILE *answer)
{
    char piece[4096];
    size_t length;

    while ((length = fread(piece, 1, sizeof piece, answer)) > 0)
        fwrite(piece, 1, length, stdout);
    return 0;
}

static int show(void *opaque, int fd)
{
    const struct invocation *invocation = opaque;
    const int copy = dup(fd);
    FILE *answer = copy >= 0 ? fdopen(copy, "r") : NULL;
    int r;

    if (answer == NULL) {
        if (copy >= 0)
            close(copy);
        return varve_fail(errno, "cannot read the answer: %s", strerror(errno));
    }
    r = invocation->json ? show_json(answer) : show_rows(answer);
    fclose(answer);
    return r;
}

static int run_list(const struct invocation *invocation)
{
    struct invocation how = *invocation;
    const char *ref;
    int code = dataset_verb_id(invocation, id, "REF", &ref);
    if (code != EXIT_DONE)
        return code;
    char *target = files_target(ref);
    code = client_stream(invocation, target, show, &how);
    free(target);
    return code;
}

static int run_delete(const struct invocation *invocation)
{
    const char *ref;
    json_t *answer;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code == EXIT_DONE && path == NULL)
        code = command_fail(EXIT_USAGE, "delete what? Say --path PATH");
    if (code == EXIT_DONE)
        code = command_confirm(invocation, "delete '%s', with all that is in it, from '%s'", path,
                               ref);
    if (code != EXIT_DONE)
        return code;
    char *target = files_target(ref);
    code = client_request_long(invocation, "DELETE", target, NULL, &answer);
    free(target);
    if (code != EXIT_DONE)
        return code;
    char count[DATASET_VERB_COUNT];
    if (invocation->json)
        client_print_json(answer);
    else
        printf("Deleted: %s (%s)\n", field_text(answer, "deleted"),
               dataset_verb_count(field_number(answer, "files"), count));
    json_decref(answer);
    return EXIT_DONE;
}

static const struct poptOption list_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "what to list, as an option", "REF"},
    {"path", '\0', POPT_ARG_STRING, &path, 0, "a file or folder in it, instead of all", "PATH"},
    {"recursive", 'r', POPT_ARG_NONE, &recursive, 0, "also what is in its folders", NULL},
    POPT_TABLEEND};
static const struct poptOption delete_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version, as an option", "DATASET:VERSION"},
    {"path", '\0', POPT_ARG_STRING, &path, 0, "the file or folder that goes", "PATH"},
    POPT_TABLEEND};

static const struct command file_list = {
    .name = "list",
    .summary = "Lists the files of a version, a snapshot or a volume that holds ext4.",
    .arguments = "REF [--path PATH] [--recursive]",
    .details = "Paths are shown below --path. Nothing is mounted. What was not unmounted is\n"
               "refused, since its newest files may lie in its journal.",
    .example = "varve datasets files list images:latest\n"
               "varve datasets files list images:prod --path train --recursive --json",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = list_options,
    .run = run_list,
};

static const struct command file_delete = {
    .name = "delete",
    .summary = "Deletes a file, or a folder with all in it, from a version that is not committed.",
    .arguments = "DATASET:VERSION --path PATH",
    .details = "All of it goes or nothing, and its space comes back. Nobody may have the version\n"
               "attached meanwhile.",
    .example = "varve datasets files delete images:4k2m9x1 --path train/old --yes",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_YES | COMMAND_PROGRESS,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VOLUME},
    .options = delete_options,
    .run = run_delete,
};

static const struct command *const verbs[] = {&file_list, &file_get, &file_put, &file_delete, NULL};

const struct command dataset_files = {
    .name = "files",
    .alias = "file",
    .summary = "Lists, gets, puts and deletes files inside a version, without a mount.",
    .example = "varve datasets files list images:latest --recursive",
    .commands = verbs,
};
