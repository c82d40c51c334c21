/* Targets: /path/with%20escapes?name=value&flag=true */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "control/request.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Writes the decoded bytes to `out`, which has room for `length` and a terminator. */
static int decode_into(const char *text, size_t length, char *out)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return varve_fail(EINVAL, "the request's target has a '%%' that is not followed by "
                                          "two hexadecimal digits");
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return varve_fail(EINVAL, "the request's target has a zero byte in it");
        *out++ = c;
    }
    *out = '\0';
    return 0;
}

int request_decode(const char *text, size_t length, char **ret_text)
{
    char *out = malloc(length + 1);
    if (out == NULL)
        return varve_fail(ENOMEM, "no memory for a request's target");
    int r = decode_into(text, length, out);
    if (r == 0) {
        /* the only check of UTF-8 here is the one of the JSON library, so that both agree */
        json_t *probe = json_string(out);
        if (probe == NULL)
            r = varve_fail(EINVAL, "the request's target is not UTF-8");
        json_decref(probe);
    }
    if (r < 0) {
        free(out);
        return r;
    }
    *ret_text = out;
    return 0;
}

/* Adds one "name=value"; without '=' the value is "true", so that ?data reads as a flag. */
static int add_pair(json_t *query, const char *pair, size_t length)
{
    const char *equals = memchr(pair, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - pair) : length;
    char *name = NULL, *value = NULL;
    int r = request_decode(pair, name_length, &name);
    if (r == 0)
        r = equals != NULL ? request_decode(equals + 1, length - name_length - 1, &value)
                           : request_decode("true", 4, &value);
    if (r == 0 && json_object_get(query, name) != NULL)
        r = varve_fail(EINVAL, "the request gives '%s' twice", name);
    if (r == 0 && json_object_set_new(query, name, json_string(value)) < 0)
        r = varve_fail(ENOMEM, "no memory for a request's arguments");
    free(name);
    free(value);
    return r;
}

int request_target_parse(const char *target, struct request_target *ret_target)
{
    size_t path_length = strcspn(target, "?");
    struct request_target parsed = {strndup(target, path_length), json_object()};
    int r = 0;
    if (parsed.path == NULL || parsed.query == NULL)
        r = varve_fail(ENOMEM, "no memory for a request's target");
    const char *pair = target + path_length;
    while (r == 0 && *pair != '\0') {
        pair++; /* the '?' or '&' */
        size_t length = strcspn(pair, "&");
        if (length > 0)
            r = add_pair(parsed.query, pair, length);
        pair += length;
    }
    if (r < 0) {
        request_target_release(&parsed);
        return r;
    }
    *ret_target = parsed;
    return 0;
}

void request_target_release(struct request_target *target)
{
    free(target->path);
    json_decref(target->query);
}
