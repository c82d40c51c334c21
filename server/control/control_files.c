/* Files inside what a ref names. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <varve/error.h>
#include <varve/file_tree.h>

#include "control/request.h"
#include "control/stream_text.h"

static const char *type_of(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "folder";
    case S_IFLNK:
        return "link";
    case S_IFCHR:
        return "character device";
    case S_IFBLK:
        return "block device";
    case S_IFIFO:
        return "pipe";
    case S_IFSOCK:
        return "socket";
    default:
        return "unknown";
    }
}

static json_t *file_object(const struct varve_file *file)
{
    char mode[8];
    json_t *object;

    snprintf(mode, sizeof mode, "%04o", file->mode & 07777u);
    object = json_pack("{so ss sI ss sI sI sI so sI}", "path", answer_text(file->path), "type",
                       type_of(file->mode), "size", (json_int_t)file->size, "mode", mode, "uid",
                       (json_int_t)file->uid, "gid", (json_int_t)file->gid, "links",
                       (json_int_t)file->links, "modified", answer_time(file->mtime), "inode",
                       (json_int_t)file->inode);
    if (object != NULL && file->target != NULL)
        json_object_set_new(object, "target", answer_text(file->target));
    return object;
}

/* A list on its way: an object with an array, one file a line. */
struct listing {
    struct stream_text text;
    bool begun;
};

static int list_begin(struct listing *listing)
{
    static const char begin[] = "{\"files\": [\n";
    listing->begun = true;
    return stream_text_add(&listing->text, begin, strlen(begin));
}

static int list_visit(void *opaque, const struct varve_file *file)
{
    struct listing *listing = opaque;
    int r = listing->begun ? stream_text_add(&listing->text, ",\n", 2) : list_begin(listing);

    return r == 0 ? stream_text_json(&listing->text, file_object(file)) : r;
}

static int list_end(struct listing *listing)
{
    static const char end[] = "\n]}\n";
    int r = listing->begun ? 0 : list_begin(listing);

    if (r == 0)
        r = stream_text_add(&listing->text, end, strlen(end));
    return r == 0 ? stream_text_flush(&listing->text) : r;
}

int files_send(const struct call *call, const struct stream_sink *sink)
{
    const char *path = call_text(call, "path");
    struct listing *listing = calloc(1, sizeof *listing);
    int r;

    if (listing == NULL)
        return varve_no_memory("a list of files");
    listing->text.sink = sink;
    r = varve_file_list(call->varve, call->name, path != NULL ? path : "/",
                        call_flag(call, "recursive", false), list_visit, listing);
    if (r == 0)
        r = list_end(listing);
    free(listing);
    return r;
}

static int delete_run(const struct call *call, json_t **ret_answer)
{
    const char *path = call_text(call, "path");
    uint64_t count = 0;
    int r = varve_file_delete(call->varve, call->name, path, &count);

    if (r < 0)
        return r;
    *ret_answer = json_pack("{so sI}", "deleted", answer_text(path), "files", (json_int_t)count);
    return 0;
}

static const struct parameter list_parameters[] = {{"path", PARAMETER_TEXT, false},
                                                   {"recursive", PARAMETER_FLAG, false},
                                                   {NULL, PARAMETER_TEXT, false}};
static const struct parameter delete_parameters[] = {{"path", PARAMETER_TEXT, true},
                                                     {NULL, PARAMETER_TEXT, false}};

const struct request_row control_files[] = {
    {"GET", "/v1/files/{name}", "The files in a ref's ext4 file system.", list_parameters,
     request_refuse_stream},
    {"DELETE", "/v1/files/{name}", "Deletes files in a version that is not committed.",
     delete_parameters, delete_run},
    {NULL, NULL, NULL, NULL, NULL},
};
