/* Reading and printing members. */
#include "field.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "size.h"
#include "table.h"

enum { VALUE_COLUMN = 22 };

const char *field_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

uint64_t field_number(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number > 0 ? (uint64_t)number : 0;
}

double field_real(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

bool field_flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

void field_print(const char *heading, const char *value)
{
    char *clean = table_clean(value[0] != '\0' ? value : "-");
    int pad = VALUE_COLUMN - printf("%s:", heading);
    printf("%*s%s\n", pad > 1 ? pad : 1, "", clean);
    free(clean);
}

void field_print_number(const char *heading, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    field_print(heading, text);
}

void field_print_size(const char *heading, uint64_t bytes)
{
    char text[SIZE_TEXT];
    field_print(heading, size_print(bytes, text));
}

void field_print_exact_size(const char *heading, uint64_t bytes)
{
    char text[SIZE_TEXT], line[64];
    snprintf(line, sizeof line, "%s (%" PRIu64 " bytes)", size_print(bytes, text), bytes);
    field_print(heading, line);
}

void field_print_usage(const json_t *object)
{
    field_print_size("Mapped", field_number(object, "mapped_bytes"));
    if (!json_is_integer(json_object_get(object, "unique_bytes")))
        return;
    field_print_size("Unique", field_number(object, "unique_bytes"));
    field_print_size("Shared", field_number(object, "shared_bytes"));
    field_print_size("Reclaimable", field_number(object, "reclaimable_bytes"));
}

void field_print_reports(const json_t *answer, uint64_t count)
{
    const json_t *reports = json_object_get(answer, "reports");
    size_t i;
    json_t *line;
    json_array_foreach(reports, i, line)
    {
        char *clean = table_clean(json_string_value(line));
        puts(clean);
        free(clean);
    }
    if (count > json_array_size(reports))
        printf("... and %" PRIu64 " more\n", count - json_array_size(reports));
}
