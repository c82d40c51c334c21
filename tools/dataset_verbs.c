#include "dataset_verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/error.h>

#include "client.h"
#include "field.h"
#include "size.h"

int dataset_verb_id(const struct invocation *invocation, const char *option, const char *what,
                    const char **ret_id)
{
    if (option != NULL && invocation->argument_count > 0)
        return command_fail(EXIT_USAGE, "'%s' and --id %s: say which one once",
                            invocation->arguments[0], option);
    if (option == NULL && invocation->argument_count == 0)
        return command_fail(EXIT_USAGE, "which one? Say %s, or --id %s", what, what);
    if (option != NULL && option[0] == '\0')
        return command_fail(EXIT_USAGE, "--id is empty: say %s", what);
    *ret_id = option != NULL ? option : invocation->arguments[0];
    return EXIT_DONE;
}

/* A text that is not UTF-8 is kept as null, which the request refuses. */
static json_t *text_of(const char *text)
{
    json_t *string = json_string(text);
    return string != NULL ? string : json_null();
}

void dataset_verb_text(json_t *parameters, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(parameters, name, text_of(text));
}

void dataset_verb_list(json_t *parameters, const char *name, char **texts)
{
    if (texts == NULL || texts[0] == NULL)
        return;
    json_t *list = json_array();
    for (; *texts != NULL; texts++)
        json_array_append_new(list, text_of(*texts));
    json_object_set_new(parameters, name, list);
}

int dataset_verb_size(json_t *parameters, const char *name, const char *text)
{
    uint64_t bytes;
    if (text == NULL)
        return EXIT_DONE;
    if (size_parse(text, &bytes) < 0)
        return command_fail(EXIT_USAGE, "%s", varve_error());
    json_object_set_new(parameters, name, json_integer((json_int_t)bytes));
    return EXIT_DONE;
}

char *dataset_verb_join(const json_t *texts)
{
    char *joined = NULL;
    size_t length = 0, i;
    json_t *text;
    FILE *memory = open_memstream(&joined, &length);
    if (memory == NULL)
        abort();
    json_array_foreach(texts, i, text)
        fprintf(memory, "%s%s", i > 0 ? ", " : "", json_string_value(text));
    fclose(memory);
    return joined;
}

const char *dataset_verb_count(uint64_t files, char text[DATASET_VERB_COUNT])
{
    snprintf(text, DATASET_VERB_COUNT, "%" PRIu64 " %s", files,
             files == 1 ? "file or folder" : "files and folders");
    return text;
}

void dataset_verb_metadata(const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(object, "metadata"), key, value)
    {
        char line[4400];
        snprintf(line, sizeof line, "%s=%s", key, json_string_value(value));
        field_print("Metadata", line);
    }
}
