/* The manifest of a version, as lines of JSON that are sent while it is read. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>
#include <varve/manifest.h>

#include "control/request.h"
#include "control/stream_text.h"

/* A line with the object, which it takes. */
static int send_line(struct stream_text *text, json_t *object)
{
    int r = stream_text_json(text, object);
    return r == 0 ? stream_text_add(text, "\n", 1) : r;
}

static int send_begin(void *opaque, const struct varve_manifest *manifest)
{
    return send_line(opaque, json_pack("{so ss sI}", "ref", answer_text(manifest->ref), "digest",
                                       manifest->digest, "files", (json_int_t)manifest->files));
}

static const char *type_of(char type)
{
    static const struct {
        char type;
        const char *name;
    } types[] = {{'f', "file"},         {'d', "folder"}, {'l', "link"},  {'c', "character device"},
                 {'b', "block device"}, {'p', "pipe"},   {'s', "socket"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return types[i].name;
    return "unknown";
}

static int send_file(void *opaque, const struct varve_manifest_file *file)
{
    char mode[16];
    snprintf(mode, sizeof mode, "%04o", file->mode);
    json_t *object =
        json_pack("{so ss sI ss sI sI so so}", "path", answer_text(file->path), "type",
                  type_of(file->type), "size", (json_int_t)file->size, "mode", mode, "uid",
                  (json_int_t)file->uid, "gid", (json_int_t)file->gid, "modified",
                  answer_time(file->mtime), "digest", answer_text_or_null(file->digest));
    if (object != NULL && file->target[0] != '\0')
        json_object_set_new(object, "target", answer_text(file->target));
    return send_line(opaque, object);
}

int manifest_send(const struct call *call, const struct stream_sink *sink)
{
    struct stream_text *sending = malloc(sizeof *sending);
    if (sending == NULL)
        return varve_no_memory("a manifest");
    sending->sink = sink;
    sending->fill = 0;
    const struct varve_manifest_visitor visitor = {send_begin, send_file, sending};
    int r = varve_version_manifest(call->varve, call->name, call_text(call, "path"), &visitor);
    if (r == 0)
        r = stream_text_flush(sending);
    free(sending);
    return r;
}
