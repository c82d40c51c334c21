/* varve datasets versions diff. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "field.h"
#include "table.h"
#include "version_proof.h"

static void print_ranges(const json_t *answer)
{
    static const char *const headings[] = {"OFFSET", "LENGTH", "NOW", NULL};
    const json_t *ranges = json_object_get(answer, "ranges");
    struct table *table = table_new("rrl", headings);
    size_t i;
    json_t *range;
    json_array_foreach(ranges, i, range)
    {
        table_number(table, field_number(range, "offset"));
        table_number(table, field_number(range, "length"));
        table_text(table, field_flag(range, "hole") ? "hole" : "data");
    }
    if (json_array_size(ranges) > 0) {
        putchar('\n');
        table_print(table, stdout);
    }
    table_free(table);
    if (field_number(answer, "changes") > json_array_size(ranges))
        printf("... and %" PRIu64 " more\n",
               field_number(answer, "changes") - json_array_size(ranges));
}

/* One letter, as git says it. */
static char letter_of(const char *change)
{
    return strcmp(change, "added") == 0     ? 'A'
           : strcmp(change, "removed") == 0 ? 'D'
           : strcmp(change, "changed") == 0 ? 'M'
           : strcmp(change, "renamed") == 0 ? 'R'
                                            : '?';
}

static void print_file(const json_t *file)
{
    char *path = table_clean(field_text(file, "path"));
    char *old = table_clean(field_text(file, "old_path"));
    printf("%c %s%s%s\n", letter_of(field_text(file, "change")), old, old[0] != '\0' ? " -> " : "",
           path);
    free(path);
    free(old);
}

/* Where both have a list of their files. */
static void print_files(const json_t *answer)
{
    const json_t *files = json_object_get(answer, "files"), *paths;
    json_t *file;
    uint64_t all;
    size_t i;
    if (!json_is_object(files))
        return;
    paths = json_object_get(files, "paths");
    all = field_number(files, "added") + field_number(files, "removed") +
          field_number(files, "changed") + field_number(files, "renamed");
    printf("\nFiles: %" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " changed, %" PRIu64
           " renamed\n",
           field_number(files, "added"), field_number(files, "removed"),
           field_number(files, "changed"), field_number(files, "renamed"));
    json_array_foreach(paths, i, file) print_file(file);
    if (all > json_array_size(paths))
        printf("... and %" PRIu64 " more\n", all - json_array_size(paths));
    if (field_flag(files, "renames_skipped"))
        fputs("So many files were added and removed that no renames were looked for.\n", stderr);
}

/* The request for FROM and TO, or for FROM..TO in one, as an export is named; NULL: of one alone.
 */
static char *target_of(const struct invocation *invocation)
{
    const char *from = invocation->arguments[0], *to = NULL;
    const char *dots = strstr(from, "..");
    char *first, *begin, *target;
    if (invocation->argument_count == 2)
        to = invocation->arguments[1];
    else if (dots != NULL && dots != from && dots[2] != '\0')
        to = dots + 2;
    if (to == NULL)
        return NULL;
    first = invocation->argument_count == 2 ? strdup(from) : strndup(from, (size_t)(dots - from));
    if (first == NULL)
        abort();
    begin = client_target("/v1/diff?from=", first, "&to=");
    target = client_target(begin, to, "");
    free(first);
    free(begin);
    return target;
}

static int run(const struct invocation *invocation)
{
    json_t *answer;
    char *target = target_of(invocation);
    if (target == NULL)
        return command_fail(EXIT_USAGE, "compare '%s' with what? Say FROM TO, or FROM..TO",
                            invocation->arguments[0]);
    int code = client_request_long(invocation, "GET", target, NULL, &answer);
    free(target);
    if (code != EXIT_DONE)
        return code;
    if (invocation->json) {
        client_print_json(answer);
    } else {
        field_print("From", field_text(answer, "from"));
        field_print("To", field_text(answer, "to"));
        if (field_number(answer, "from_size") != field_number(answer, "to_size")) {
            field_print_size("Size before", field_number(answer, "from_size"));
            field_print_size("Size now", field_number(answer, "to_size"));
        }
        field_print_size("Changed", field_number(answer, "changed_bytes"));
        field_print_number("Ranges", field_number(answer, "changes"));
        print_ranges(answer);
        print_files(answer);
    }
    json_decref(answer);
    return EXIT_DONE;
}

const struct command version_diff = {
    .name = "diff",
    .summary = "Shows what is different in one version, seen from another.",
    .arguments = "FROM TO | FROM..TO",
    .details =
        "FROM and TO are any refs: versions, snapshots, volumes, of the same size or not.\n"
        "Blocks that the two do not share are read and compared, so that equal bytes are no\n"
        "change. Of two versions whose files were listed when they were committed, the files\n"
        "are shown too, as git does: A added, D deleted, M changed (the times alone are no\n"
        "change), R renamed: the same bytes under another name. Empty files are never taken\n"
        "for renamed. At most 10000 ranges and files are listed; all are counted.",
    .example = "varve datasets versions diff images:~1 images:latest",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_min = 1,
    .arguments_max = 2,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION, COMMAND_ARGUMENT_VERSION},
    .run = run,
};
