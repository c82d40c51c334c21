/* Requests whose answers or bodies are streams: the content of files, and lists without a bound. */
#include <errno.h>

#include <varve/error.h>
#include <varve/file_tree.h>

#include "control/request.h"

static int get_send(const struct call *call, const struct stream_sink *sink)
{
    const char *path = call_text(call, "path");
    return varve_file_get(call->varve, call->name, path != NULL ? path : "/", sink->take,
                          sink->opaque);
}

int request_refuse_stream(const struct call *call, json_t **ret_answer)
{
    (void)call;
    (void)ret_answer;
    return varve_fail(EINVAL, "this request is answered with bytes and takes no body");
}

static int put_receive(const struct call *call, const struct stream_source *source,
                       json_t **ret_answer)
{
    const char *path = call_text(call, "path");
    uint64_t count = 0;
    int r;

    if (path == NULL)
        path = "/";
    r = varve_file_put(call->varve, call->name, path, source->give, source->opaque, &count);
    if (r == 0)
        *ret_answer = json_pack("{so sI}", "put", answer_text(path), "files", (json_int_t)count);
    return r;
}

int request_refuse_upload(const struct call *call, json_t **ret_answer)
{
    (void)call;
    (void)ret_answer;
    return varve_fail(EINVAL, "this request takes a tar archive as its body");
}

static const struct parameter get_parameters[] = {{"path", PARAMETER_TEXT, false},
                                                  {NULL, PARAMETER_TEXT, false}};

const struct request_row control_content[] = {
    {"GET", "/v1/files/{name}/content",
     "Files in a ref's ext4 file system, as a tar archive; the answer is no JSON.", get_parameters,
     request_refuse_stream},
    {"GET", "/v1/versions/{name}/manifest",
     "The files of a committed version: one JSON object a line, of the version and then of each "
     "file.",
     get_parameters, request_refuse_stream},
    {"PUT", "/v1/files/{name}/content",
     "Puts a tar archive's files into a version that is not committed; the body is no JSON.",
     get_parameters, request_refuse_upload},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct stream_row streams[] = {
    {&control_content[0], "application/x-tar", get_send, NULL},
    {&control_content[1], "application/jsonl", manifest_send, NULL},
    {&control_content[2], NULL, NULL, put_receive},
    {&control_files[0], "application/json", files_send, NULL},
};

const struct stream_row *request_stream(const struct request_row *row)
{
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        if (streams[i].row == row)
            return &streams[i];
    return NULL;
}
