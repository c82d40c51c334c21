#include "volume/volume_ref.h"

#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "volume/volume_name.h"

static const char dots[] = "..";

const char *named_name(enum named kind)
{
    static const char *const names[] = {
        [NAMED_VOLUME] = "volume", [NAMED_SNAPSHOT] = "snapshot", [NAMED_VERSION] = "version"};

    return names[kind];
}

/* Copies `length` bytes that fit: names are checked before, what stands behind a colon is cut by
 * nobody. */
static int copy(char *to, size_t size, const char *from, size_t length, const char *text)
{
    if (length >= size)
        return varve_fail(EINVAL, "'%s' is too long for a ref", show_text(text).text);
    memcpy(to, from, length);
    to[length] = '\0';
    return 0;
}

static int copy_name(char to[VARVE_NAME_MAX + 1], const char *from, size_t length, const char *text)
{
    if (!name_is_valid(from, length))
        return varve_fail(EINVAL,
                          "'%s' names nothing: a ref is VOLUME, VOLUME@SNAPSHOT or "
                          "[TEAM/]DATASET:VERSION, of names with a-z, 0-9, '.', '_' and '-'",
                          show_text(text).text);
    return copy(to, VARVE_NAME_MAX + 1, from, length, text);
}

/* VERSION, TAG, latest or ~N: letters, digits and a few marks. What it may be exactly is settled
 * where it is looked up. */
static int copy_which(struct volume_ref *ref, const char *which, const char *text)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t marks = which[0] == '~' ? 1 : 0;

    if (which[marks] == '\0' || strspn(which + marks, legal) != strlen(which + marks))
        return varve_fail(EINVAL,
                          "'%s' names no version: behind the colon stands a version's id, a tag, "
                          "'latest' or ~N",
                          show_text(text).text);
    return copy(ref->which, sizeof ref->which, which, strlen(which), text);
}

static int parse_version(const char *text, const char *colon, struct volume_ref *ref)
{
    size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    const char *slash = memchr(text, '/', length);
    const char *name = slash != NULL ? slash + 1 : text;
    int r = 0;

    ref->kind = NAMED_VERSION;
    if (slash != NULL)
        r = copy_name(ref->team, text, (size_t)(slash - text), text);
    if (r == 0)
        r = copy_name(ref->name, name, length - (size_t)(name - text), text);
    if (r == 0 && colon != NULL)
        r = copy_which(ref, colon + 1, text);
    return r;
}

int volume_ref_parse(const char *text, struct volume_ref *ret_ref)
{
    struct volume_ref ref = {.kind = NAMED_VOLUME};
    const char *colon = strchr(text, ':'), *at = strchr(text, '@');
    int r;

    if (text[0] == '\0')
        return varve_fail(EINVAL, "nothing was named; 'varve volumes list' and 'varve datasets "
                                  "list' show what there is");
    if (strstr(text, dots) != NULL)
        return varve_fail(EINVAL, "'%s' is a difference of two refs; one ref is wanted here",
                          show_text(text).text);
    if (colon != NULL || strchr(text, '/') != NULL) {
        r = parse_version(text, colon, &ref);
    } else if (at != NULL) {
        ref.kind = NAMED_SNAPSHOT;
        r = copy_name(ref.name, text, (size_t)(at - text), text);
        if (r == 0)
            r = copy_name(ref.which, at + 1, strlen(at + 1), text);
    } else {
        r = copy_name(ref.name, text, strlen(text), text);
    }
    if (r == 0)
        *ret_ref = ref;
    return r;
}

bool volume_ref_split(const char *text, char ret_from[REF_TEXT_MAX + 1],
                      char ret_to[REF_TEXT_MAX + 1])
{
    const char *middle = strstr(text, dots);
    size_t from = middle != NULL ? (size_t)(middle - text) : 0;

    if (middle == NULL || from > REF_TEXT_MAX || strlen(middle + 2) > REF_TEXT_MAX)
        return false;
    memcpy(ret_from, text, from);
    ret_from[from] = '\0';
    memcpy(ret_to, middle + 2, strlen(middle + 2) + 1);
    return true;
}
