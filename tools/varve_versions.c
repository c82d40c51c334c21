/* varve datasets versions: the group, and the verbs that change nothing. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "dataset_verbs.h"
#include "field.h"
#include "table.h"
#include "version_proof.h"

static char *id, *committed_text;
static int all, refs_only;

static void print_row(struct table *table, const json_t *version)
{
    char *tags = dataset_verb_join(json_object_get(version, "tags"));
    char digest[13];
    snprintf(digest, sizeof digest, "%s", field_text(version, "digest"));
    table_text(table, field_text(version, "id"));
    if (field_flag(version, "committed"))
        table_number(table, field_number(version, "sequence"));
    else
        table_text(table, "");
    table_text(table, field_flag(version, "damaged")     ? "damaged"
                      : field_flag(version, "committed") ? "committed"
                                                         : "uncommitted");
    table_size(table, field_number(version, "size"));
    table_size(table, field_number(version, "mapped_bytes"));
    table_text(table, digest);
    table_text(table, field_text(version, "committed_at")[0] != '\0'
                          ? field_text(version, "committed_at")
                          : field_text(version, "created"));
    table_number(table, field_number(version, "holds"));
    table_text(table, tags);
    table_text(table, field_text(version, "message"));
    free(tags);
}

static void print_table(const json_t *versions)
{
    static const char *const headings[] = {"VERSION", "SEQ",     "STATE", "SIZE",
                                           "MAPPED",  "DIGEST",  "TIME",  "HOLDS",
                                           "TAGS",    "MESSAGE", NULL};
    struct table *table = table_new("lrlrrllrll", headings);
    size_t i;
    json_t *version;
    json_array_foreach(versions, i, version) print_row(table, version);
    table_print(table, stdout);
    table_free(table);
}

/* --isCommitted false lists those that are not, as there. */
static void keep_uncommitted(json_t *versions)
{
    for (size_t i = json_array_size(versions); i > 0; i--)
        if (field_flag(json_array_get(versions, i - 1), "committed"))
            json_array_remove(versions, i - 1);
}

static int check_committed(bool *ret_open_only)
{
    *ret_open_only = committed_text != NULL && strcmp(committed_text, "false") == 0;
    if (committed_text != NULL && !*ret_open_only && strcmp(committed_text, "true") != 0)
        return command_fail(EXIT_USAGE, "--isCommitted takes true or false, not '%s'",
                            committed_text);
    return EXIT_DONE;
}

static int run_list(const struct invocation *invocation)
{
    const char *dataset;
    json_t *answer = NULL;
    bool open_only = false;
    int code = dataset_verb_id(invocation, id, "DATASET", &dataset);
    if (code == EXIT_DONE)
        code = check_committed(&open_only);
    if (code == EXIT_DONE)
        code = client_ask(invocation, "GET",
                          client_target("/v1/datasets/", dataset,
                                        all || open_only ? "/versions?all=true" : "/versions"),
                          NULL, &answer);
    if (code == EXIT_DONE && open_only)
        keep_uncommitted(json_object_get(answer, "versions"));
    if (refs_only)
        return client_finish_names(invocation, code, answer, "versions", "ref");
    char none[120];
    snprintf(none, sizeof none, "No %sversions. %s",
             all         ? ""
             : open_only ? "uncommitted "
                         : "committed ",
             all || open_only ? "Make one with: varve datasets versions create DATASET"
                              : "--all lists the uncommitted ones too.");
    return client_finish_list(invocation, code, answer, "versions", print_table, none);
}

static void print_commit(const json_t *version)
{
    if (!field_flag(version, "committed")) {
        field_print("State", field_flag(version, "incomplete")
                                 ? "uncommitted; incomplete: an import or a write did not end well"
                                 : "uncommitted");
        return;
    }
    field_print("State", field_flag(version, "latest") ? "committed, the latest" : "committed");
    field_print_number("Sequence", field_number(version, "sequence"));
    field_print("Committed", field_text(version, "committed_at"));
    field_print("Committed by", field_text(version, "committer"));
    field_print("Digest", field_text(version, "digest"));
    field_print("Content", field_text(version, "class"));
    if (json_is_integer(json_object_get(version, "files")))
        field_print_number("Files", field_number(version, "files"));
}

static void print_page(const json_t *version)
{
    char line[512];
    char *tags = dataset_verb_join(json_object_get(version, "tags"));
    field_print("Version", field_text(version, "ref"));
    field_print("Dataset", field_text(version, "dataset"));
    if (field_flag(version, "damaged"))
        field_print("Damage", "the store does not hold its image");
    print_commit(version);
    field_print("Message", field_text(version, "message"));
    field_print("Tags", tags);
    field_print_exact_size("Size", field_number(version, "size"));
    field_print_usage(version);
    snprintf(line, sizeof line, "%s%s", field_text(version, "parent"),
             field_flag(version, "parent_gone") ? " (deleted)" : "");
    field_print("From", line);
    field_print("Created", field_text(version, "created"));
    field_print("Created by", field_text(version, "who"));
    field_print_number("Holds", field_number(version, "holds"));
    field_print_number("Connections", field_number(version, "connections"));
    field_print("Writer", field_text(version, "writer"));
    dataset_verb_metadata(version);
    free(tags);
}

static int run_details(const struct invocation *invocation)
{
    const char *ref;
    json_t *version = NULL;
    int code = dataset_verb_id(invocation, id, "DATASET:VERSION", &ref);
    if (code != EXIT_DONE)
        return code;
    char *target = client_target("/v1/versions/", ref, "?usage=true");
    code = client_request_long(invocation, "GET", target, NULL, &version);
    free(target);
    return client_finish(invocation, code, version, print_page);
}

static const struct poptOption list_options[] = {
    DATASET_VERB_ID(id),
    {"all", 'a', POPT_ARG_NONE, &all, 0, "the uncommitted ones too", NULL},
    {"isCommitted", '\0', POPT_ARG_STRING, &committed_text, 0, "false: the uncommitted ones alone",
     "true|false"},
    {"refs", '\0', POPT_ARG_NONE, &refs_only, 0, "print refs alone, one a line", NULL},
    POPT_TABLEEND};
static const struct poptOption details_options[] = {
    {"id", '\0', POPT_ARG_STRING, &id, 0, "the version", "REF"}, POPT_TABLEEND};

static const struct command version_list = {
    .name = "list",
    .summary = "Lists a dataset's committed versions, newest first.",
    .arguments = "DATASET",
    .details =
        "SEQ is the order of commits. MAPPED is what a version holds, shared with others or\n"
        "not. DIGEST shows the first 12 digits. TIME is that of the commit. HOLDS counts the\n"
        "reasons to keep it ('varve holds list').",
    .example = "varve datasets versions list images --all",
    .flags = COMMAND_STORE | COMMAND_JSON,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_DATASET},
    .options = list_options,
    .run = run_list,
};

static const struct command version_details = {
    .name = "details",
    .alias = "show",
    .summary = "Shows one version, with its metadata.",
    .arguments = "DATASET[:VERSION]",
    .details = "A bare DATASET means its latest version. UNIQUE, SHARED and RECLAIMABLE are as in\n"
               "'varve du'.",
    .example = "varve datasets versions details images:prod",
    .flags = COMMAND_STORE | COMMAND_JSON | COMMAND_PROGRESS,
    .arguments_max = 1,
    .argument_kinds = {COMMAND_ARGUMENT_VERSION},
    .options = details_options,
    .run = run_details,
};

static const struct command *const verbs[] = {&version_create,
                                              &version_list,
                                              &version_details,
                                              &version_update,
                                              &version_commit,
                                              &version_verify,
                                              &version_diff,
                                              &version_manifest,
                                              &version_release,
                                              &version_delete,
                                              NULL};

const struct command command_versions = {
    .name = "versions",
    .alias = "version",
    .summary = "Makes, lists, commits, verifies, compares and deletes versions of datasets.",
    .example = "varve datasets versions create images --from images:prod",
    .commands = verbs,
};
