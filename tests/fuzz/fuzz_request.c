/*
 * What comes through the control door, up to where a request would run. The input is
 *
 *     METHOD TARGET\nBODY
 */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <varve/control.h>

#include "control/request.h"
#include "fuzz.h"

static void take(const struct request_row *row, const json_t *query, const char *body,
                 size_t length)
{
    json_t *found = length > 0 ? json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *arguments = NULL;

    if (request_arguments(row, query, found, &arguments) == 0) {
        for (const struct parameter *p = row->parameters; p != NULL && p->name != NULL; p++)
            assert(!p->required || json_object_get(arguments, p->name) != NULL);
        json_decref(arguments);
    }
    json_decref(found);
}

static void ask(char *line, const char *body, size_t length)
{
    struct request_target target;
    const struct request_row *row;
    char *space = strchr(line, ' '), *name = NULL;

    if (space == NULL)
        return;
    *space = '\0';
    if (request_target_parse(space + 1, &target) != 0)
        return;
    if (request_find(line, target.path, &row, &name) == 0) {
        assert((name != NULL) == (strstr(row->pattern, "{name}") != NULL));
        take(row, target.query, body, length);
    }
    free(name);
    request_target_release(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const uint8_t *end = memchr(bytes, '\n', length);
    size_t line_length = end != NULL ? (size_t)(end - bytes) : length;
    char *line = malloc(line_length + 1);

    assert(line != NULL);
    memcpy(line, bytes, line_length);
    line[line_length] = '\0';
    if (strlen(line) == line_length && length < VARVE_CONTROL_BODY_MAX)
        ask(line, end != NULL ? (const char *)end + 1 : NULL,
            end != NULL ? length - line_length - 1 : 0);
    free(line);
    return 0;
}
