/* Versions of datasets. */
#include <errno.h>
#include <jansson.h>

#include <varve/dataset.h>
#include <varve/error.h>
#include <varve/import.h>

#include "control/request.h"
#include "control/settings.h"

static json_t *text_or_null(const char *text)
{
    return answer_text_or_null(text);
}

/* What has a value only once the version is committed. */
static void add_commit(json_t *object, const struct varve_version *version)
{
    const bool committed = version->sequence != 0;
    json_object_set_new(object, "committed", json_boolean(committed));
    json_object_set_new(object, "sequence",
                        committed ? json_integer((json_int_t)version->sequence) : json_null());
    json_object_set_new(object, "committed_at",
                        committed ? answer_time(version->committed) : json_null());
    json_object_set_new(object, "committer", text_or_null(version->committer));
    json_object_set_new(object, "digest", text_or_null(version->digest));
    json_object_set_new(object, "class", text_or_null(version->class));
    /* A list has the root at least: 0 are not known, of a version named again from the store. */
    json_object_set_new(object, "files",
                        version->has_manifest && version->files > 0
                            ? json_integer((json_int_t)version->files)
                            : json_null());
}

static json_t *version_object(const struct varve_version *version, const json_t *tags)
{
    json_t *names = json_object_get(tags, version->id);
    json_t *object = json_pack(
        "{so ss so ss sI sI sI so so so so sb sb sI sI so sb sb so}", "ref",
        answer_text(version->ref), "dataset", version->dataset, "dataset_name",
        answer_text(version->dataset_name), "id", version->id, "image", (json_int_t)version->image,
        "size", (json_int_t)version->size, "mapped_bytes", (json_int_t)version->mapped_bytes,
        "created", answer_time(version->created), "who", answer_text(version->who), "message",
        answer_text(version->message), "parent", text_or_null(version->parent), "parent_gone",
        version->parent_gone, "latest", version->latest, "holds", (json_int_t)version->holds,
        "connections", (json_int_t)version->connections, "writer", text_or_null(version->writer),
        "incomplete", version->incomplete, "damaged", version->damaged, "tags",
        names != NULL ? json_incref(names) : json_array());
    if (object != NULL)
        add_commit(object, version);
    return object;
}

/* With its tags; `metadata` too. */
static int answer_version(struct varve *varve, const struct varve_version *version, bool metadata,
                          json_t **ret_answer)
{
    json_t *tags = NULL, *keys = NULL;
    int r = answer_tags(varve, version->dataset, &tags);
    if (r == 0 && metadata)
        r = answer_metadata(varve, version->ref, &keys);
    if (r == 0) {
        *ret_answer = version_object(version, tags);
        if (metadata)
            json_object_set_new(*ret_answer, "metadata", keys);
    }
    json_decref(tags);
    return r;
}

/* The change was made: that it cannot be shown any more, because another request deleted the
 * dataset meanwhile, is no failure. */
static int changed(struct varve *varve, const struct varve_version *version, json_t **ret_answer)
{
    if (answer_version(varve, version, false, ret_answer) < 0)
        *ret_answer = version_object(version, NULL);
    return 0;
}

struct listing {
    json_t *versions;
    json_t *tags;
};

static int list_visit(void *opaque, const struct varve_version *version)
{
    const struct listing *listing = opaque;
    if (json_array_append_new(listing->versions, version_object(version, listing->tags)) < 0)
        return varve_no_memory("a list of versions");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    struct listing listing = {json_array(), NULL};
    int r = listing.versions == NULL ? varve_no_memory("a list of versions")
                                     : answer_tags(call->varve, call->name, &listing.tags);
    if (r == 0)
        r = varve_version_list(call->varve, call->name, call_flag(call, "all", false), list_visit,
                               &listing);
    json_decref(listing.tags);
    if (r < 0) {
        json_decref(listing.versions);
        return r;
    }
    *ret_answer = json_pack("{so}", "versions", listing.versions);
    return 0;
}

static int create_run(const struct call *call, json_t **ret_answer)
{
    struct call_settings settings;
    struct varve_version version;
    int r = call_settings_take(call, &settings);
    if (r == 0) {
        const struct varve_version_options options = {.from = call_text(call, "from"),
                                                      .size = call_number(call, "size", 0),
                                                      .message = call_text(call, "message"),
                                                      .hold = call_text(call, "hold"),
                                                      .imported_from =
                                                          call_text(call, "imported_from"),
                                                      .settings = settings.settings};
        const char *sources[PARAMETER_LIST_MAX];
        const struct varve_import_options files = {.version = options,
                                                   .sources = sources,
                                                   .source_count =
                                                       call_list(call, "sources", sources)};
        r = files.source_count > 0
                ? varve_version_import(call->varve, call->name, &files, &version)
                : varve_version_create(call->varve, call->name, &options, &version);
    }
    call_settings_release(&settings);
    return r == 0 ? changed(call->varve, &version, ret_answer) : r;
}

static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_version version;
    int r = varve_version_show(call->varve, call->name, &version);
    if (r == 0)
        r = answer_version(call->varve, &version, true, ret_answer);
    if (r == 0 && *ret_answer != NULL && call_flag(call, "usage", false)) {
        json_t *object = *ret_answer;
        *ret_answer = NULL;
        r = call_finish_with_usage(call, object, ret_answer);
    }
    return r;
}

static int update_run(const struct call *call, json_t **ret_answer)
{
    struct call_settings settings;
    struct varve_version version;
    int r = call_settings_take(call, &settings);
    if (r == 0) {
        const struct varve_version_update update = {.message = call_text(call, "message"),
                                                    .settings = settings.settings};
        r = varve_version_update(call->varve, call->name, &update, &version);
    }
    call_settings_release(&settings);
    return r == 0 ? changed(call->varve, &version, ret_answer) : r;
}

static int delete_run(const struct call *call, json_t **ret_answer)
{
    struct varve_version version;
    const unsigned flags = call_flag(call, "force", false) ? VARVE_DELETE_FORCE : 0;
    int r = varve_version_delete(call->varve, call->name, flags, &version);
    if (r == 0)
        *ret_answer = json_pack("{so so}", "deleted", answer_text(version.ref), "version",
                                version_object(&version, NULL));
    return r;
}

static int imported_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_version_imported(call->varve, call->name, call_text(call, "file"));
    return r == 0 ? show_run(call, ret_answer) : r;
}

static int release_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_version_release(call->varve, call->name, call_flag(call, "force", false));
    return r == 0 ? show_run(call, ret_answer) : r;
}

static const struct parameter list_parameters[] = {{"all", PARAMETER_FLAG, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter show_parameters[] = {{"usage", PARAMETER_FLAG, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter create_parameters[] = {{"from", PARAMETER_TEXT, false},
                                                     {"size", PARAMETER_NUMBER, false},
                                                     {"message", PARAMETER_TEXT, false},
                                                     {"hold", PARAMETER_TEXT, false},
                                                     {"sources", PARAMETER_LIST, false},
                                                     {"imported_from", PARAMETER_TEXT, false},
                                                     SETTING_PARAMETERS,
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter update_parameters[] = {
    {"message", PARAMETER_TEXT, false}, SETTING_PARAMETERS, {NULL, PARAMETER_TEXT, false}};
static const struct parameter imported_parameters[] = {{"file", PARAMETER_TEXT, true},
                                                       {NULL, PARAMETER_TEXT, false}};
static const struct parameter force_parameters[] = {{"force", PARAMETER_FLAG, false},
                                                    {NULL, PARAMETER_TEXT, false}};

const struct request_row control_versions[] = {
    {"GET", "/v1/datasets/{name}/versions", "A dataset's versions, newest first.", list_parameters,
     list_run},
    {"POST", "/v1/datasets/{name}/versions", "Makes a version, empty, from a ref or from files.",
     create_parameters, create_run},
    {"GET", "/v1/versions/{name}", "One version, with its metadata; with what it uses alone.",
     show_parameters, show_run},
    {"POST", "/v1/versions/{name}/update", "Changes a version's message and metadata.",
     update_parameters, update_run},
    {"POST", "/v1/versions/{name}/imported", "All of a file is in a version, which is complete.",
     imported_parameters, imported_run},
    {"DELETE", "/v1/versions/{name}", "Deletes a version.", force_parameters, delete_run},
    {"POST", "/v1/versions/{name}/release", "Takes the write lease away from its holder.",
     force_parameters, release_run},
    {NULL, NULL, NULL, NULL, NULL},
};
