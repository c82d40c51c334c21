/*
 * Requests as the functions that answer them see them. One noun has one file, control_NOUN.c, with
 * a table of rows that ends with a row without a method; request_table.c lists the tables. A
 * further noun is a further file and one line there.
 *
 * A row's function runs only after its arguments were checked against the row: required ones are
 * there, each has its kind, none is unknown. It returns 0 with an object (a new reference) in
 * *ret_answer, or -errno with varve_error() set and *ret_answer untouched. It leaves *ret_answer
 * NULL when memory runs out.
 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct varve;

enum parameter_kind {
    PARAMETER_TEXT,
    PARAMETER_NUMBER, /* an integer from 0 to 2^63 - 1; sizes are bytes */
    PARAMETER_FLAG,   /* true or false */
    PARAMETER_LIST,   /* an array of strings, at most PARAMETER_LIST_MAX; only in a body */
};

enum { PARAMETER_LIST_MAX = 256 };

/* What every request takes besides its own: the token of the operation that it is, by which others
 * ask how far it is and cancel it. */
#define PARAMETER_OPERATION "operation"

struct parameter {
    const char *name; /* NULL ends a list */
    enum parameter_kind kind;
    bool required;
};

/* `rate`, in bytes a second, and nothing else. */
extern const struct parameter parameters_of_rate[];

struct call {
    struct varve *varve;
    const char *name;        /* what stands for {name} in the path, decoded; NULL without one */
    const json_t *arguments; /* object of checked arguments */
};

struct request_row {
    const char *method;
    const char *pattern; /* e.g. "/v1/volumes/{name}/resize" */
    const char *summary;
    const struct parameter *parameters; /* or NULL for none */
    int (*run)(const struct call *call, json_t **ret_answer);
};

/* Requests whose answer, or whose body, is bytes and no object: the function is in the table of
 * control_content.c, and the row's `run` is the refusal of one that came without a stream. `send`
 * gives pieces to `sink` and stops with what that returns when it is negative; `receive` takes
 * pieces from `source` up to its end, or stops with its negative return. */
struct stream_sink {
    int (*take)(void *opaque, const void *bytes, size_t length);
    void *opaque;
};
struct stream_source {
    ssize_t (*give)(void *opaque, void *bytes, size_t room);
    void *opaque;
};
struct stream_row {
    const struct request_row *row;
    const char *type; /* of the answer that is sent, as HTTP has it; NULL: an object */
    int (*send)(const struct call *call, const struct stream_sink *sink);
    int (*receive)(const struct call *call, const struct stream_source *source,
                   json_t **ret_answer);
};
int request_refuse_stream(const struct call *call, json_t **ret_answer);
int request_refuse_upload(const struct call *call, json_t **ret_answer);
/* NULL for a row with objects on both ways. */
const struct stream_row *request_stream(const struct request_row *row);

/* The functions of control_manifest.c and control_files.c. */
int manifest_send(const struct call *call, const struct stream_sink *sink);
int files_send(const struct call *call, const struct stream_sink *sink);

extern const struct request_row control_content[];
extern const struct request_row control_volumes[];
extern const struct request_row control_datasets[];
extern const struct request_row control_versions[];
extern const struct request_row control_tags[];
extern const struct request_row control_commit[];
extern const struct request_row control_compact[];
extern const struct request_row control_exports[];
extern const struct request_row control_files[];
extern const struct request_row control_scrub[];
extern const struct request_row control_store[];
extern const struct request_row control_inspect[];
extern const struct request_row control_holds[];
extern const struct request_row control_snapshots[];
extern const struct request_row control_schedules[];
extern const struct request_row control_history[];
extern const struct request_row control_usage[];
extern const struct request_row control_operations[];

/* Arguments by name; the default when the caller gave none. */
const char *call_text(const struct call *call, const char *name);
uint64_t call_number(const struct call *call, const char *name, uint64_t otherwise);
bool call_flag(const struct call *call, const char *name, bool otherwise);
/* The texts of a list, valid as long as the call; returns how many, 0 when there is no such
 * argument. `texts` has room for PARAMETER_LIST_MAX. */
size_t call_list(const struct call *call, const char *name, const char **texts);

/* A JSON string of bytes that nobody checked: what is not UTF-8 is replaced. NULL without memory.
 */
json_t *answer_text(const char *text);
/* The same, and null for "". */
json_t *answer_text_or_null(const char *text);
/* RFC 3339 in UTC, of seconds since 1970. */
json_t *answer_time(int64_t seconds);

/* Adds unique_bytes, shared_bytes and reclaimable_bytes of a ref to an object; takes time for large
 * ones. 0, or -errno with a line and the object as it was. */
int answer_usage(struct varve *varve, const char *ref, json_t *object);
/* Ends a request about what the path names: the object with its usage, or without where damage
 * keeps it from being known. Takes the object. */
int call_finish_with_usage(const struct call *call, json_t *object, json_t **ret_answer);

/* --- between the files of request_*.c --------------------------------------------------------- */

/* A target taken apart: path, and an object of the query's arguments, all of them text. */
struct request_target {
    char *path; /* still percent-encoded */
    json_t *query;
};
/* -EINVAL for what is not a target: bad escapes, no UTF-8, a name twice. */
int request_target_parse(const char *target, struct request_target *ret_target);
void request_target_release(struct request_target *target);

/* Decodes `length` bytes of percent-encoded text into new memory; -EINVAL for bad escapes, NUL and
 * no UTF-8. */
int request_decode(const char *text, size_t length, char **ret_text);

/* The row for a method and an encoded path, and in *ret_name the decoded {name} (free it) or NULL.
 * -ENOENT when no row has such a path, -ENOSYS when the path has other methods. */
int request_find(const char *method, const char *path, const struct request_row **ret_row,
                 char **ret_name);
/* What `GET /v1` answers. NULL without memory. */
json_t *request_list(void);

/* Merges the query's texts and the body's values into one object of checked arguments. `body` may
 * be NULL. */
int request_arguments(const struct request_row *row, const json_t *query, const json_t *body,
                      json_t **ret_arguments);

#endif
