/* Volumes. */
#include <errno.h>
#include <jansson.h>

#include <varve/error.h>
#include <varve/snapshot.h>
#include <varve/volume.h>

#include "control/request.h"

static json_t *volume_object(const struct varve_volume *volume)
{
    return json_pack("{so sI sI sI sI so sb sb sb sI so}", "name", answer_text(volume->name),
                     "image", (json_int_t)volume->image, "size", (json_int_t)volume->size,
                     "mapped_bytes", (json_int_t)volume->mapped_bytes, "set_aside_bytes",
                     (json_int_t)volume->set_aside_bytes, "created", answer_time(volume->created),
                     "shared", volume->shared, "reserved", volume->reserved, "damaged",
                     volume->damaged, "connections", (json_int_t)volume->connections, "writer",
                     answer_text_or_null(volume->writer));
}

/* The answer to a change that was made: what the volume is now. When it cannot be shown (another
 * request deleted it meanwhile) the change is still an answer and not a failure. */
static int changed(struct varve *varve, const char *name, json_t **ret_answer)
{
    struct varve_volume volume;
    if (varve_volume_show(varve, name, &volume) == 0)
        *ret_answer = volume_object(&volume);
    else
        *ret_answer = json_pack("{so}", "name", answer_text(name));
    return 0;
}

static int list_visit(void *opaque, const struct varve_volume *volume)
{
    if (json_array_append_new(opaque, volume_object(volume)) < 0)
        return varve_fail(ENOMEM, "no memory for a list of volumes");
    return 0;
}

static int list_run(const struct call *call, json_t **ret_answer)
{
    json_t *volumes = json_array();
    int r = volumes != NULL ? varve_volume_list(call->varve, list_visit, volumes) : 0;
    if (r < 0) {
        json_decref(volumes);
        return r;
    }
    *ret_answer = json_pack("{so}", "volumes", volumes);
    return 0;
}

static int show_run(const struct call *call, json_t **ret_answer)
{
    struct varve_volume volume;
    int r = varve_volume_show(call->varve, call->name, &volume);
    if (r < 0)
        return r;
    return call_finish_with_usage(call, volume_object(&volume), ret_answer);
}

static int create_run(const struct call *call, json_t **ret_answer)
{
    struct varve_volume_options options = {.size = call_number(call, "size", 0),
                                           .from = call_text(call, "from"),
                                           .shared = call_flag(call, "shared", false),
                                           .reserved = call_flag(call, "reserved", false),
                                           .imported_from = call_text(call, "imported_from")};
    const char *name = call_text(call, "name");
    if (options.from == NULL && json_object_get(call->arguments, "size") == NULL)
        return varve_fail(EINVAL, "POST /v1/volumes needs 'size', or 'from'");
    int r = varve_volume_create(call->varve, name, &options);
    return r < 0 ? r : changed(call->varve, name, ret_answer);
}

static int resize_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_volume_resize(call->varve, call->name, call_number(call, "size", 0));
    return r < 0 ? r : changed(call->varve, call->name, ret_answer);
}

static int rename_run(const struct call *call, json_t **ret_answer)
{
    const char *name = call_text(call, "name");
    int r = varve_volume_rename(call->varve, call->name, name);
    return r < 0 ? r : changed(call->varve, name, ret_answer);
}

static int imported_run(const struct call *call, json_t **ret_answer)
{
    const char *name = call_text(call, "name");
    int r = varve_volume_imported(call->varve, call->name, name, call_text(call, "file"));
    return r < 0 ? r : changed(call->varve, name, ret_answer);
}

static int set_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_volume_set_shared(call->varve, call->name, call_flag(call, "shared", false));
    return r < 0 ? r : changed(call->varve, call->name, ret_answer);
}

static int release_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_volume_release(call->varve, call->name, call_flag(call, "force", false));
    return r < 0 ? r : changed(call->varve, call->name, ret_answer);
}

static int delete_run(const struct call *call, json_t **ret_answer)
{
    int r = varve_volume_delete(call->varve, call->name);
    if (r < 0)
        return r;
    *ret_answer = json_pack("{so}", "deleted", answer_text(call->name));
    return 0;
}

static int rollback_run(const struct call *call, json_t **ret_answer)
{
    const bool save = call_flag(call, "save", true);
    struct varve_snapshot saved;
    int r = varve_volume_rollback(call->varve, call->name, call_text(call, "to"), save, &saved);
    if (r == 0)
        r = changed(call->varve, call->name, ret_answer);
    if (r == 0 && *ret_answer != NULL)
        (void)json_object_set_new(*ret_answer, "saved",
                                  save ? answer_text(saved.ref) : json_null());
    return r;
}

static const struct parameter create_parameters[] = {
    {"name", PARAMETER_TEXT, true},      {"size", PARAMETER_NUMBER, false},
    {"from", PARAMETER_TEXT, false},     {"shared", PARAMETER_FLAG, false},
    {"reserved", PARAMETER_FLAG, false}, {"imported_from", PARAMETER_TEXT, false},
    {NULL, PARAMETER_TEXT, false}};
static const struct parameter resize_parameters[] = {{"size", PARAMETER_NUMBER, true},
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter rename_parameters[] = {{"name", PARAMETER_TEXT, true},
                                                     {NULL, PARAMETER_TEXT, false}};
static const struct parameter imported_parameters[] = {
    {"name", PARAMETER_TEXT, true}, {"file", PARAMETER_TEXT, true}, {NULL, PARAMETER_TEXT, false}};
static const struct parameter set_parameters[] = {{"shared", PARAMETER_FLAG, true},
                                                  {NULL, PARAMETER_TEXT, false}};
static const struct parameter release_parameters[] = {{"force", PARAMETER_FLAG, false},
                                                      {NULL, PARAMETER_TEXT, false}};

static const struct parameter rollback_parameters[] = {
    {"to", PARAMETER_TEXT, true}, {"save", PARAMETER_FLAG, false}, {NULL, PARAMETER_TEXT, false}};

const struct request_row control_volumes[] = {
    {"GET", "/v1/volumes", "All volumes, in the order of names.", NULL, list_run},
    {"POST", "/v1/volumes", "Makes a volume: empty, or a clone of a ref.", create_parameters,
     create_run},
    {"GET", "/v1/volumes/{name}", "One volume, and who holds it.", NULL, show_run},
    {"DELETE", "/v1/volumes/{name}", "Deletes a volume that nobody uses.", NULL, delete_run},
    {"POST", "/v1/volumes/{name}/resize", "Changes a volume's size.", resize_parameters,
     resize_run},
    {"POST", "/v1/volumes/{name}/rename", "Gives a volume another name.", rename_parameters,
     rename_run},
    {"POST", "/v1/volumes/{name}/imported", "All of a file is in a volume: it gets its own name.",
     imported_parameters, imported_run},
    {"POST", "/v1/volumes/{name}/set", "Changes a volume's switches.", set_parameters, set_run},
    {"POST", "/v1/volumes/{name}/release", "Takes the write lease away from its holder.",
     release_parameters, release_run},
    {"POST", "/v1/volumes/{name}/rollback", "Puts a snapshot's content back into its volume.",
     rollback_parameters, rollback_run},
    {NULL, NULL, NULL, NULL, NULL},
};
