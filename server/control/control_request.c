/* One request from its text to its answer's text. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/control.h>
#include <varve/error.h>
#include <varve/progress.h>
#include <varve/server.h>

#include "control/request.h"

static unsigned status_of(int errnum)
{
    static const struct {
        int errnum;
        unsigned status;
    } statuses[] = {
        {ENOENT, 404},      {ENOSYS, 405},    {EEXIST, 409},       {EBUSY, 409},   {EPERM, 403},
        {EACCES, 403},      {EROFS, 403},     {EINVAL, 400},       {ERANGE, 400},  {EOVERFLOW, 400},
        {E2BIG, 413},       {EMSGSIZE, 413},  {ENAMETOOLONG, 400}, {ENOTSUP, 501}, {ENOSPC, 507},
        {EMEDIUMTYPE, 400}, {EUCLEAN, 409},   {ENOTDIR, 400},      {ELOOP, 400},   {ENOMEM, 503},
        {EAGAIN, 503},      {ECANCELED, 409}, {ESTALE, 409},       {EISDIR, 409},  {EFBIG, 413},
        {EMLINK, 409},
    };
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].errnum == errnum)
            return statuses[i].status;
    return 500;
}

static json_t *refusal(int errnum)
{
    const char *name = strerrorname_np(errnum);
    const char *line = varve_error();
    return json_pack("{s{ss so}}", "error", "code", name != NULL ? name : "EIO", "message",
                     answer_text(line[0] != '\0' ? line : strerror(errnum)));
}

static int parse_body(const char *body, size_t length, json_t **ret_body)
{
    if (length == 0) {
        *ret_body = NULL;
        return 0;
    }
    if (length > VARVE_CONTROL_BODY_MAX)
        return varve_fail(EMSGSIZE, "the request's body is longer than %d bytes",
                          VARVE_CONTROL_BODY_MAX);
    json_error_t error;
    json_t *parsed = json_loadb(body, length, JSON_REJECT_DUPLICATES, &error);
    if (parsed == NULL)
        return varve_fail(EINVAL, "the request's body is not JSON: %s (byte %d)", error.text,
                          error.position);
    *ret_body = parsed;
    return 0;
}

/* Each request is an operation, whoever asked for it to be one: what turns out to take long can be
 * seen and cancelled. Only the caller's own token can be refused. */
static int begin_operation(const struct call *call, const char *method, const char *path)
{
    const char *token = call_text(call, PARAMETER_OPERATION);
    char what[VARVE_OPERATION_TEXT_MAX + 1];
    snprintf(what, sizeof what, "%.16s %.130s", method, path);
    int r = varve_operation_begin(token != NULL ? token : "", what);
    return token != NULL ? r : 0;
}

/* Where bytes go or come from, when a request has a stream: one of them, or none. */
struct way {
    const struct stream_sink *sink;
    const struct stream_source *source;
};

static int check_way(const struct stream_row *stream, const struct way *way, const char *path)
{
    if (way->sink != NULL && (stream == NULL || stream->send == NULL))
        return varve_fail(EINVAL, "%.64s answers with an object: it is no stream", path);
    if (way->source != NULL && (stream == NULL || stream->receive == NULL))
        return varve_fail(EINVAL, "%.64s takes an object: its body is no stream", path);
    return 0;
}

static int run_row(const struct request_row *row, const struct call *call, const char *path,
                   const struct way *way, json_t **ret_answer)
{
    const struct stream_row *stream = request_stream(row);
    int r = check_way(stream, way, path);
    if (r == 0)
        r = begin_operation(call, row->method, path);
    if (r < 0)
        return r;
    varve_error_clear();
    if (way->sink != NULL)
        r = stream->send(call, way->sink);
    else if (way->source != NULL)
        r = stream->receive(call, way->source, ret_answer);
    else
        r = row->run(call, ret_answer);
    varve_operation_end();
    if (r == 0 && way->sink == NULL && *ret_answer == NULL)
        r = varve_fail(ENOMEM, "no memory for the answer");
    return r;
}

/* The request's way: target, row, arguments, answer. */
static int answer(struct varve *varve, const char *method, const char *target, const char *text,
                  size_t length, const struct way *way, json_t **ret_answer)
{
    struct request_target parsed = {NULL, NULL};
    const struct request_row *row = NULL;
    json_t *body = NULL, *arguments = NULL;
    char *name = NULL;
    int r = request_target_parse(target, &parsed);
    if (r == 0)
        r = request_find(method, parsed.path, &row, &name);
    if (r == 0)
        r = parse_body(text, length, &body);
    if (r == 0)
        r = request_arguments(row, parsed.query, body, &arguments);
    if (r == 0) {
        struct call call = {varve, name, arguments};
        r = run_row(row, &call, parsed.path, way, ret_answer);
    }
    free(name);
    json_decref(arguments);
    json_decref(body);
    request_target_release(&parsed);
    return r;
}

/* The text of an object, which it takes. */
static void give_text(json_t *object, struct varve_control_answer *ret_answer)
{
    ret_answer->text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (ret_answer->text == NULL)
        ret_answer->status = 503;
    ret_answer->length = ret_answer->text != NULL ? strlen(ret_answer->text) : 0;
}

/* The object, or the refusal. */
static void give(int r, json_t *object, struct varve_control_answer *ret_answer)
{
    ret_answer->status = r == 0 ? 200 : status_of(-r);
    give_text(r == 0 ? object : refusal(-r), ret_answer);
}

void varve_control_request(struct varve *varve, const char *who, const char *method,
                           const char *target, const char *body, size_t length,
                           struct varve_control_answer *ret_answer)
{
    varve_error_clear();
    varve_set_actor(who);
    json_t *object = NULL;
    int r = answer(varve, method, target, body, length, &(struct way){NULL, NULL}, &object);
    give(r, object, ret_answer);
}

void varve_control_upload(struct varve *varve, const char *who, const char *method,
                          const char *target, varve_control_source source, void *opaque,
                          struct varve_control_answer *ret_answer)
{
    const struct stream_source giver = {.give = source, .opaque = opaque};
    varve_error_clear();
    varve_set_actor(who);
    json_t *object = NULL;
    int r = answer(varve, method, target, NULL, 0, &(struct way){.source = &giver}, &object);
    give(r, object, ret_answer);
}

void varve_control_stream(struct varve *varve, const char *who, const char *method,
                          const char *target, varve_control_sink sink, void *opaque,
                          struct varve_control_answer *ret_answer)
{
    const struct stream_sink taker = {.take = sink, .opaque = opaque};
    varve_error_clear();
    varve_set_actor(who);
    json_t *object = NULL;
    int r = answer(varve, method, target, NULL, 0, &(struct way){.sink = &taker}, &object);
    *ret_answer = (struct varve_control_answer){.status = 200};
    if (r == 0)
        return;
    ret_answer->status = status_of(-r);
    give_text(refusal(-r), ret_answer);
}

/* The functions of the request's streams, or NULL. */
static const struct stream_row *stream_of(const char *method, const char *target)
{
    struct request_target parsed = {NULL, NULL};
    const struct request_row *row = NULL;
    char *name = NULL;
    bool found = request_target_parse(target, &parsed) == 0 &&
                 request_find(method, parsed.path, &row, &name) == 0;
    free(name);
    request_target_release(&parsed);
    return found ? request_stream(row) : NULL;
}

const char *varve_control_stream_type(const char *method, const char *target)
{
    const struct stream_row *stream = stream_of(method, target);
    return stream != NULL ? stream->type : NULL;
}

bool varve_control_is_upload(const char *method, const char *target)
{
    const struct stream_row *stream = stream_of(method, target);
    return stream != NULL && stream->receive != NULL;
}
