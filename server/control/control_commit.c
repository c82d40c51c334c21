/* Versions: to commit them, to verify them, and what is different in one of them. */
#include <jansson.h>

#include <varve/commit.h>
#include <varve/error.h>

#include "control/request.h"

/* All are counted; this many are told. */
enum { LISTED_MAX = 10000 };

static int commit_run(const struct call *call, json_t **ret_answer)
{
    struct varve_commit commit;
    const unsigned flags =
        (call_flag(call, "allow_dirty", false) ? VARVE_COMMIT_ALLOW_DIRTY : 0) |
        (call_flag(call, "allow_incomplete", false) ? VARVE_COMMIT_ALLOW_INCOMPLETE : 0);
    int r = varve_version_commit(call->varve, call->name, flags, &commit);
    if (r < 0)
        return r;
    *ret_answer =
        json_pack("{so sb sI so so so so sI so sI sI sI}", "ref", answer_text(commit.ref),
                  "already", commit.already, "sequence", (json_int_t)commit.sequence,
                  "committed_at", answer_time(commit.committed), "committer",
                  answer_text(commit.committer), "digest", answer_text(commit.digest), "class",
                  answer_text(commit.class), "size", (json_int_t)commit.size, "files",
                  commit.manifest ? json_integer((json_int_t)commit.files) : json_null(), "leaves",
                  (json_int_t)commit.leaves, "hashed", (json_int_t)commit.hashed, "reused",
                  (json_int_t)commit.reused);
    return 0;
}

static int add_damage(void *opaque, const struct varve_damage *damage)
{
    if (json_array_size(opaque) < LISTED_MAX &&
        json_array_append_new(
            opaque, json_pack("{sI sI ss}", "offset", (json_int_t)damage->offset, "length",
                              (json_int_t)damage->length, "kind",
                              damage->kind == VARVE_DAMAGE_DIFFERS ? "differs" : "unreadable")) < 0)
        return varve_no_memory("a list of damage");
    return 0;
}

static int verify_run(const struct call *call, json_t **ret_answer)
{
    struct varve_verification found;
    json_t *damages = json_array();
    int r = damages == NULL
                ? varve_no_memory("a list of damage")
                : varve_version_verify(call->varve, call->name, add_damage, damages, &found);
    if (r < 0) {
        json_decref(damages);
        return r;
    }
    *ret_answer =
        json_pack("{so so so sI sI sI sI sb sb so}", "ref", answer_text(found.ref), "digest",
                  answer_text(found.digest), "found", answer_text_or_null(found.found), "size",
                  (json_int_t)found.size, "read_bytes", (json_int_t)found.read, "damages",
                  (json_int_t)found.damages, "damaged_bytes", (json_int_t)found.damaged,
                  "record_damaged", found.record_damaged, "sound", found.sound, "ranges", damages);
    return 0;
}

struct differences {
    json_t *ranges, *files;
};

static int add_range(void *opaque, const struct varve_changed_range *range)
{
    const struct differences *found = opaque;
    if (json_array_size(found->ranges) < LISTED_MAX &&
        json_array_append_new(found->ranges,
                              json_pack("{sI sI sb}", "offset", (json_int_t)range->offset, "length",
                                        (json_int_t)range->length, "hole", range->hole)) < 0)
        return varve_no_memory("a list of changes");
    return 0;
}

static int add_file(void *opaque, enum varve_file_change change, const char *path,
                    const char *old_path)
{
    static const char *const words[] = {[VARVE_FILE_ADDED] = "added",
                                        [VARVE_FILE_REMOVED] = "removed",
                                        [VARVE_FILE_CHANGED] = "changed",
                                        [VARVE_FILE_RENAMED] = "renamed"};
    const struct differences *found = opaque;
    if (json_array_size(found->files) >= LISTED_MAX)
        return 0;
    json_t *file = json_pack("{ss so}", "change", words[change], "path", answer_text(path));
    if (file != NULL && old_path != NULL)
        json_object_set_new(file, "old_path", answer_text(old_path));
    return json_array_append_new(found->files, file) < 0 ? varve_no_memory("a list of changes") : 0;
}

static int diff_run(const struct call *call, json_t **ret_answer)
{
    struct varve_diff diff;
    struct differences found = {json_array(), json_array()};
    const struct varve_diff_visitor visitor = {add_range, add_file, &found};
    int r = found.ranges == NULL || found.files == NULL
                ? varve_no_memory("a list of changes")
                : varve_version_diff(call->varve, call_text(call, "from"), call_text(call, "to"),
                                     &visitor, &diff);
    if (r < 0) {
        json_decref(found.ranges);
        json_decref(found.files);
        return r;
    }
    *ret_answer =
        json_pack("{so so sI sI sI sI so}", "from", answer_text(diff.from), "to",
                  answer_text(diff.to), "from_size", (json_int_t)diff.from_size, "to_size",
                  (json_int_t)diff.to_size, "changed_bytes", (json_int_t)diff.changed, "changes",
                  (json_int_t)diff.ranges, "ranges", found.ranges);
    if (diff.files)
        json_object_set_new(*ret_answer, "files",
                            json_pack("{sI sI sI sI sb sO}", "added", (json_int_t)diff.files_added,
                                      "removed", (json_int_t)diff.files_removed, "changed",
                                      (json_int_t)diff.files_changed, "renamed",
                                      (json_int_t)diff.files_renamed, "renames_skipped",
                                      diff.renames_skipped, "paths", found.files));
    else
        json_object_set_new(*ret_answer, "files", json_null());
    json_decref(found.files);
    return 0;
}

static const struct parameter commit_parameters[] = {{"allow_dirty", PARAMETER_FLAG, false},
                                                     {"allow_incomplete", PARAMETER_FLAG, false},
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter diff_parameters[] = {
    {"from", PARAMETER_TEXT, true}, {"to", PARAMETER_TEXT, true}, {NULL, PARAMETER_TEXT, false}};

const struct request_row control_commit[] = {
    {"POST", "/v1/versions/{name}/commit", "Freezes a version for good and gives it its digest.",
     commit_parameters, commit_run},
    {"GET", "/v1/versions/{name}/verify", "Reads a committed version again and compares.", NULL,
     verify_run},
    {"GET", "/v1/diff", "What is different in one ref, seen from another.", diff_parameters,
     diff_run},
    {NULL, NULL, NULL, NULL, NULL},
};
