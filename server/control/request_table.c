/* All requests, and how one is found by method and path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "control/request.h"

const struct parameter parameters_of_rate[] = {{"rate", PARAMETER_NUMBER, false},
                                               {NULL, PARAMETER_TEXT, false}};

static const struct request_row *const tables[] = {
    control_store,      control_scrub,   control_volumes, control_datasets, control_versions,
    control_commit,     control_tags,    control_exports, control_files,    control_inspect,
    control_operations, control_holds,   control_history, control_usage,    control_snapshots,
    control_schedules,  control_content, control_compact,
};

static int list_run(const struct call *call, json_t **ret_answer)
{
    (void)call;
    *ret_answer = request_list();
    return 0;
}

static const struct request_row list_row = {"GET", "/v1", "This list.", NULL, list_run};

/* Matches an encoded path against a pattern. The part that stands for {name} is one segment, not
 * empty; *ret_name points at it. */
static bool match(const char *pattern, const char *path, const char **ret_name, size_t *ret_length)
{
    static const char hole[] = "{name}";
    const char *at = strstr(pattern, hole);
    *ret_name = NULL;
    if (at == NULL)
        return strcmp(pattern, path) == 0;
    size_t before = (size_t)(at - pattern);
    if (strncmp(pattern, path, before) != 0)
        return false;
    *ret_name = path + before;
    *ret_length = strcspn(path + before, "/");
    return *ret_length > 0 && strcmp(at + strlen(hole), path + before + *ret_length) == 0;
}

/* The row, or NULL with *ret_other set when the path is there for another method. */
static const struct request_row *find_row(const char *method, const char *path,
                                          const char **ret_name, size_t *ret_length,
                                          bool *ret_other)
{
    *ret_other = false;
    if (match(list_row.pattern, path, ret_name, ret_length)) {
        if (strcmp(method, list_row.method) == 0)
            return &list_row;
        *ret_other = true;
    }
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct request_row *row = tables[i]; row->method != NULL; row++) {
            if (!match(row->pattern, path, ret_name, ret_length))
                continue;
            if (strcmp(method, row->method) == 0)
                return row;
            *ret_other = true;
        }
    }
    return NULL;
}

int request_find(const char *method, const char *path, const struct request_row **ret_row,
                 char **ret_name)
{
    const char *segment;
    size_t length = 0;
    bool other;
    const struct request_row *row = find_row(method, path, &segment, &length, &other);
    if (row == NULL && other)
        return varve_fail(ENOSYS, "%.64s has no method %.16s; GET /v1 lists the requests", path,
                          method);
    if (row == NULL)
        return varve_fail(ENOENT, "there is no request %.16s %.64s; GET /v1 lists the requests",
                          method, path);
    char *name = NULL;
    int r = segment != NULL ? request_decode(segment, length, &name) : 0;
    if (r < 0)
        return r;
    *ret_row = row;
    *ret_name = name;
    return 0;
}

static json_t *describe(const struct request_row *row)
{
    static const char *const kinds[] = {[PARAMETER_TEXT] = "string",
                                        [PARAMETER_NUMBER] = "integer",
                                        [PARAMETER_FLAG] = "boolean",
                                        [PARAMETER_LIST] = "array of strings"};
    json_t *parameters = json_array();
    for (const struct parameter *p = row->parameters; p != NULL && p->name != NULL; p++)
        json_array_append_new(parameters, json_pack("{ss ss sb}", "name", p->name, "kind",
                                                    kinds[p->kind], "required", p->required));
    return json_pack("{ss ss ss so}", "method", row->method, "path", row->pattern, "summary",
                     row->summary, "parameters", parameters);
}

json_t *request_list(void)
{
    json_t *requests = json_array();
    json_array_append_new(requests, describe(&list_row));
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct request_row *row = tables[i]; row->method != NULL; row++)
            json_array_append_new(requests, describe(row));
    return json_pack("{so s[{ss ss sb}]}", "requests", requests, "parameters_of_all", "name",
                     PARAMETER_OPERATION, "kind", "string", "required", 0);
}
