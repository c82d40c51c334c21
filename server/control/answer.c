/* Values of answers that need more than a call of the JSON library. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/request.h"

json_t *answer_text(const char *text)
{
    json_t *whole = json_string(text);
    if (whole != NULL)
        return whole;
    /* Not UTF-8, or no memory: then the copy fails as well. */
    char *copy = strdup(text);
    if (copy == NULL)
        return NULL;
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    json_t *ascii = json_string(copy);
    free(copy);
    return ascii;
}

json_t *answer_text_or_null(const char *text)
{
    return text[0] != '\0' ? answer_text(text) : json_null();
}

json_t *answer_time(int64_t seconds)
{
    time_t when = (time_t)seconds;
    struct tm utc;
    char text[40];
    if (gmtime_r(&when, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return json_null();
    return json_string(text);
}
