/* Arguments: from the query, where all is text, and from the body, where JSON has kinds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "control/request.h"

static const struct parameter operation_parameter = {PARAMETER_OPERATION, PARAMETER_TEXT, false};

static const struct parameter *find_parameter(const struct request_row *row, const char *name)
{
    if (strcmp(name, operation_parameter.name) == 0)
        return &operation_parameter;
    for (const struct parameter *p = row->parameters; p != NULL && p->name != NULL; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static int unknown_argument(const struct request_row *row, const char *name)
{
    char known[256] = "";
    for (const struct parameter *p = row->parameters; p != NULL && p->name != NULL; p++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", p->name);
    }
    return varve_fail(EINVAL, "%s %s does not take '%.64s'; it takes %s", row->method, row->pattern,
                      name, known[0] != '\0' ? known : "no arguments");
}

/* A query's text as a value of the parameter's kind; a text that is none of it is left as it is and
 * refused with the body's values. NULL without memory. */
static json_t *value_of_text(const struct parameter *parameter, const json_t *text)
{
    const char *s = json_string_value(text);
    if (parameter->kind == PARAMETER_FLAG && strcmp(s, "true") == 0)
        return json_true();
    if (parameter->kind == PARAMETER_FLAG && strcmp(s, "false") == 0)
        return json_false();
    if (parameter->kind == PARAMETER_NUMBER && s[0] != '\0' &&
        strspn(s, "0123456789") == strlen(s)) {
        errno = 0;
        long long number = strtoll(s, NULL, 10);
        if (errno == 0)
            return json_integer(number);
    }
    return json_copy((json_t *)(uintptr_t)text);
}

static int check_list(const struct parameter *parameter, const json_t *value)
{
    if (!json_is_array(value))
        return varve_fail(EINVAL, "'%s' must be an array of strings", parameter->name);
    if (json_array_size(value) > PARAMETER_LIST_MAX)
        return varve_fail(EINVAL, "'%s' has %zu members; it may have %d", parameter->name,
                          json_array_size(value), PARAMETER_LIST_MAX);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return varve_fail(EINVAL, "'%s' must be an array of strings", parameter->name);
    return 0;
}

static int check_kind(const struct parameter *parameter, const json_t *value)
{
    switch (parameter->kind) {
    case PARAMETER_TEXT:
        if (json_is_string(value))
            return 0;
        return varve_fail(EINVAL, "'%s' must be a string", parameter->name);
    case PARAMETER_NUMBER:
        if (json_is_integer(value) && json_integer_value(value) >= 0)
            return 0;
        return varve_fail(EINVAL, "'%s' must be an integer from 0 to 9223372036854775807",
                          parameter->name);
    case PARAMETER_FLAG:
        if (json_is_boolean(value))
            return 0;
        return varve_fail(EINVAL, "'%s' must be true or false", parameter->name);
    case PARAMETER_LIST:
        return check_list(parameter, value);
    }
    return varve_fail(EINVAL, "'%s' is of no kind", parameter->name);
}

static int add_argument(const struct request_row *row, json_t *arguments, const char *name,
                        json_t *value)
{
    const struct parameter *parameter = find_parameter(row, name);
    if (parameter == NULL)
        return unknown_argument(row, name);
    if (json_object_get(arguments, name) != NULL)
        return varve_fail(EINVAL, "'%s' is given in the query and in the body", name);
    int r = check_kind(parameter, value);
    if (r == 0 && json_object_set(arguments, name, value) < 0)
        r = varve_fail(ENOMEM, "no memory for a request's arguments");
    return r;
}

static int check_required(const struct request_row *row, const json_t *arguments)
{
    for (const struct parameter *p = row->parameters; p != NULL && p->name != NULL; p++)
        if (p->required && json_object_get(arguments, p->name) == NULL)
            return varve_fail(EINVAL, "%s %s needs '%s'", row->method, row->pattern, p->name);
    return 0;
}

static int add_query(const struct request_row *row, json_t *arguments, const json_t *query)
{
    const char *name;
    json_t *text;
    json_object_foreach((json_t *)(uintptr_t)query, name, text)
    {
        const struct parameter *parameter = find_parameter(row, name);
        json_t *value = parameter != NULL ? value_of_text(parameter, text) : json_incref(text);
        if (value == NULL)
            return varve_fail(ENOMEM, "no memory for a request's arguments");
        int r = add_argument(row, arguments, name, value);
        json_decref(value);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_body(const struct request_row *row, json_t *arguments, const json_t *body)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, name, value)
    {
        int r = add_argument(row, arguments, name, value);
        if (r < 0)
            return r;
    }
    return 0;
}

int request_arguments(const struct request_row *row, const json_t *query, const json_t *body,
                      json_t **ret_arguments)
{
    if (body != NULL && !json_is_object(body))
        return varve_fail(EINVAL, "the request's body must be a JSON object");
    json_t *arguments = json_object();
    if (arguments == NULL)
        return varve_fail(ENOMEM, "no memory for a request's arguments");
    int r = add_query(row, arguments, query);
    if (r == 0)
        r = add_body(row, arguments, body);
    if (r == 0)
        r = check_required(row, arguments);
    if (r < 0) {
        json_decref(arguments);
        return r;
    }
    *ret_arguments = arguments;
    return 0;
}

const char *call_text(const struct call *call, const char *name)
{
    return json_string_value(json_object_get(call->arguments, name));
}

uint64_t call_number(const struct call *call, const char *name, uint64_t otherwise)
{
    const json_t *value = json_object_get(call->arguments, name);
    return value != NULL ? (uint64_t)json_integer_value(value) : otherwise;
}

bool call_flag(const struct call *call, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(call->arguments, name);
    return value != NULL ? json_is_true(value) : otherwise;
}

size_t call_list(const struct call *call, const char *name, const char **texts)
{
    const json_t *list = json_object_get(call->arguments, name);
    size_t count = json_array_size(list);

    for (size_t i = 0; i < count; i++)
        texts[i] = json_string_value(json_array_get(list, i));
    return count;
}
