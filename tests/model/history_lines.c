#include "history_lines.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>
#include <varve/history.h>

#include "model_state.h"
#include "volume/image_label.h"

/* Newest first, as they are listed. */
struct list {
    unsigned count;
    uint64_t number[HISTORY_LINES_MAX];
    char newest[HISTORY_LINE_SHOWN];
};

/* The length of the word if it was drawn: an id, or a time behind '@'. An id may be of digits only,
 * as a size is in a line that speaks of bytes. */
static size_t drawn(const char *word, char before, bool has_sizes)
{
    static const char digits[] = "0123456789";
    size_t length = strspn(word, "0123456789abcdefghijklmnopqrstuvwxyz");

    if (isalnum((unsigned char)before) || !isdigit((unsigned char)word[0]))
        return 0;
    if (before == '@')
        return strcspn(word, " ;");
    if (length != VERSION_ID_LENGTH)
        return 0;
    return before == ':' || !has_sizes || strspn(word, digits) < length ? length : 0;
}

static uint64_t number_of(const char *text)
{
    bool has_sizes = strstr(text, "bytes") != NULL;
    uint64_t number = 1;
    char before = ' ';

    for (const char *c = text; *c != '\0'; before = *c++) {
        c += drawn(c, before, has_sizes);
        if (*c == '\0')
            break;
        number = fingerprint_add(number, (unsigned char)*c);
    }
    return number;
}

static int add(void *opaque, const struct varve_event *event)
{
    struct list *list = opaque;

    if (list->count == HISTORY_LINES_MAX)
        return varve_fail(E2BIG, "the history has more than %d lines", (int)HISTORY_LINES_MAX);
    if (list->count == 0)
        snprintf(list->newest, sizeof(list->newest), "%.40s %.50s", event->object, event->what);
    list->number[list->count++] = fingerprint_add(
        fingerprint_add(number_of(event->kind), number_of(event->object)), number_of(event->what));
    return 0;
}

int history_lines_see(struct varve *varve, struct history_lines *ret_lines)
{
    const struct varve_history_options all = {.limit = 0};
    struct list list = {.count = 0};
    int rc = varve_history_list(varve, &all, add, &list);

    if (rc != 0)
        return rc;
    ret_lines->count = list.count;
    ret_lines->first[0] = 0;
    for (unsigned i = 0; i < list.count; i++)
        ret_lines->first[i + 1] =
            fingerprint_add(ret_lines->first[i], list.number[list.count - 1 - i]);
    snprintf(ret_lines->last, sizeof(ret_lines->last), "%s", list.newest);
    return 0;
}

bool history_lines_are_first(const struct history_lines *lines, const struct history_lines *all,
                             unsigned count)
{
    return lines->count == count && count <= all->count && lines->first[count] == all->first[count];
}

bool history_lines_undo(const struct history_lines *lines, const struct history_lines *before)
{
    return lines->count == before->count + 2 &&
           lines->first[before->count] == before->first[before->count] &&
           strstr(lines->last, "the rollback failed") != NULL;
}
