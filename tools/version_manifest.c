/* varve datasets versions manifest. Shown line by line as it comes: it may list millions of files.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
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
#include "version_proof.h"

static char *id, *path;

/* Reads lines of JSON: the version's, then one a file. */
struct taking {
    bool json;
    uint64_t files; /* so far */
};

static void print_file(struct taking *taking, const json_t *file)
{
    const char *digest = field_text(file, "digest"), *target = field_text(file, "target");
    char *name = table_clean(field_text(file, "path"));
    char *to = table_clean(target);
    if (taking->files == 0)
        printf("%-16s  %4s  %15s  %-12s  %s\n", "TYPE", "MODE", "SIZE", "DIGEST", "PATH");
    printf("%-16s  %4s  %15" PRIu64 "  %-12.12s  %s%s%s\n", field_text(file, "type"),
           field_text(file, "mode"), field_number(file, "size"), digest[0] != '\0' ? digest : "-",
           name, target[0] != '\0' ? " -> " : "", to);
    free(name);
    free(to);
}

/* {"ref": …, "digest": …, "files": [ … ]}, of which the first line has all but the files. */
static void print_json_line(const struct taking *taking, bool first, const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    if (text == NULL)
        abort();
    if (first)
        printf("{\n  \"ref\": \"%s\",\n  \"digest\": \"%s\",\n  \"files\": [",
               field_text(object, "ref"), field_text(object, "digest"));
    else
        printf("%s\n    %s", taking->files > 0 ? "," : "", text);
    free(text);
}

static int take_line(struct taking *taking, bool first, const char *line, size_t length)
{
    json_t *object = json_loadb(line, length, 0, NULL);
    if (object == NULL)
        return varve_fail(EIO, "the answer has a line that is no JSON");
    if (taking->json)
        print_json_line(taking, first, object);
    else if (!first)
        print_file(taking, object);
    taking->files += !first;
    json_decref(object);
    return 0;
}

static int take(void *opaque, int fd)
{
    struct taking *taking = opaque;
    const int mine = dup(fd);
    FILE *file = mine >= 0 ? fdopen(mine, "r") : NULL;
    char *line = NULL;
    size_t room = 0;
    ssize_t length = 0;
    int r = 0;
    if (file == NULL) {
        r = varve_fail(errno, "cannot read the answer: %s", strerror(errno));
        if (mine >= 0)
            close(mine);
        return r;
    }
    for (bool first = true; r == 0 && (length = getline(&line, &room, file)) > 0; first = false)
        r = take_line(taking, first, line, (size_t)length);
    free(line);
    fclose(file);
    return r;
}

static int run(const struct invocation *invocation)
{
    struct taking taking = {.json = invocation->json};
    const char *ref;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code != EXIT_DONE)
        return code;
    char *before = client_target("/v1/versions/", ref, "/manifest?path=");
    char *target = client_target(before, path != NULL ? path : "/", "");
    free(before);
    code = client_stream(invocation, target, take, &taking);
    free(target);
    if (code == EXIT_DONE && invocation->json)
        puts(taking.files > 0 ? "\n  ]\n}" : "]\n}");
    else if (code == EXIT_DONE && taking.files == 0)
        fputs("It has no files.\n", stderr);
    return code;
}

static const struct poptOption options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version, as an option", "REF"},
    {"path", '\0', POPT_ARG_STRING, &path, 0, "a file or folder in it, instead of all", "PATH"},
    POPT_TABLEEND};

const struct command version_manifest = {
    .name = "manifest",
    .summary = "Lists the files of a committed version, with the digests of their content.",
    .arguments = "REF [--path PATH]",
    .details =
        "The list was made at the commit: nothing but the list is read. Equal digests mean\n"
        "equal bytes, in whatever file, version or store; the table shows the first 12\n"
        "digits, --json all. A folder comes before what is in it. A version that holds no\n"
        "ext4 file system, or one that was not left clean, has no such list. When it breaks\n"
        "off, what was printed is a part, and the exit code is not 0.",
    .example = "varve datasets versions manifest images:latest\n"
               "varve datasets versions manifest images:prod --path train --json",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = options,
    .run = run,
};
