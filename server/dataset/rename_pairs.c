#include "dataset/rename_pairs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

struct candidate {
    char *path;
    const char *name; /* its last part */
    uint64_t size;
    bool added;
    const struct candidate *partner; /* NULL: none */
    char digest[DIGEST_TEXT];
};

struct rename_pairs {
    struct candidate *candidates;
    size_t count, room;
    size_t bytes; /* of all of them, with their paths */
    bool too_many;
    size_t asked; /* how many rename_pairs_next has passed */
};

int rename_pairs_new(struct rename_pairs **ret_pairs)
{
    struct rename_pairs *pairs = calloc(1, sizeof *pairs);

    if (pairs == NULL)
        return varve_no_memory("a list of renames");
    *ret_pairs = pairs;
    return 0;
}

static void forget_all(struct rename_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++)
        free(pairs->candidates[i].path);
    free(pairs->candidates);
    pairs->candidates = NULL;
    pairs->count = pairs->room = 0;
}

void rename_pairs_free(struct rename_pairs *pairs)
{
    if (pairs != NULL)
        forget_all(pairs);
    free(pairs);
}

static bool may_be_paired(const struct manifest_line *line)
{
    return line->type == 'f' && line->size > 0 && line->digest[0] != '\0';
}

static bool make_room(struct rename_pairs *pairs)
{
    const size_t room = pairs->room > 0 ? 2 * pairs->room : 64;
    struct candidate *candidates;

    if (pairs->count < pairs->room)
        return true;
    candidates = reallocarray(pairs->candidates, room, sizeof *candidates);
    if (candidates == NULL)
        return false;
    pairs->candidates = candidates;
    pairs->room = room;
    return true;
}

int rename_pairs_add(struct rename_pairs *pairs, const struct manifest_line *line, bool added)
{
    struct candidate candidate = {.size = line->size, .added = added};

    if (pairs->too_many || !may_be_paired(line))
        return 0;
    pairs->bytes += sizeof candidate + strlen(line->path) + 1;
    if (pairs->bytes > RENAME_PAIRS_BYTES_MAX) {
        pairs->too_many = true;
        forget_all(pairs);
        return 0;
    }
    candidate.path = make_room(pairs) ? strdup(line->path) : NULL;
    if (candidate.path == NULL)
        return varve_no_memory("a list of renames");
    candidate.name = strrchr(candidate.path, '/');
    candidate.name = candidate.name != NULL ? candidate.name + 1 : candidate.path;
    memcpy(candidate.digest, line->digest, DIGEST_TEXT);
    pairs->candidates[pairs->count++] = candidate;
    return 0;
}

/* --- pairing --------------------------------------------------------------------------------- */

static int compare_content(const struct candidate *a, const struct candidate *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return memcmp(a->digest, b->digest, DIGEST_TEXT);
}

/* The order they came in. */
static int compare_order(const void *one, const void *two)
{
    const struct candidate *a = *(struct candidate *const *)one;
    const struct candidate *b = *(struct candidate *const *)two;

    return a < b ? -1 : a > b;
}

/* Content, last name, and then the order they came in. */
static int compare(const void *one, const void *two)
{
    const struct candidate *a = *(struct candidate *const *)one;
    const struct candidate *b = *(struct candidate *const *)two;
    int order = compare_content(a, b);

    if (order == 0)
        order = strcmp(a->name, b->name);
    return order != 0 ? order : compare_order(one, two);
}

/* The first of [at, end) on that side that is alone. */
static size_t next_alone(struct candidate *const *sorted, size_t at, size_t end, bool added)
{
    while (at < end && (sorted[at]->partner != NULL || sorted[at]->added != added))
        at++;
    return at;
}

/* Pairs what is alone in [begin, end), all of one content. */
static uint64_t pair(struct candidate **sorted, size_t begin, size_t end)
{
    size_t old = next_alone(sorted, begin, end, false), new = next_alone(sorted, begin, end, true);
    uint64_t found = 0;

    for (; old < end && new < end; found++) {
        sorted[old]->partner = sorted[new];
        sorted[new]->partner = sorted[old];
        old = next_alone(sorted, old, end, false);
        new = next_alone(sorted, new, end, true);
    }
    return found;
}

static uint64_t pair_content(struct candidate **sorted, size_t begin, size_t end)
{
    uint64_t found = 0;

    for (size_t at = begin, next; at < end; at = next) {
        for (next = at + 1; next < end && strcmp(sorted[at]->name, sorted[next]->name) == 0;)
            next++;
        found += pair(sorted, at, next);
    }
    qsort(sorted + begin, end - begin, sizeof(struct candidate *), compare_order);
    return found + pair(sorted, begin, end);
}

uint64_t rename_pairs_find(struct rename_pairs *pairs)
{
    struct candidate **sorted = calloc(pairs->count > 0 ? pairs->count : 1, sizeof *sorted);
    uint64_t found = 0;

    if (sorted == NULL) {
        pairs->too_many = true;
        forget_all(pairs);
        return 0;
    }
    for (size_t i = 0; i < pairs->count; i++)
        sorted[i] = &pairs->candidates[i];
    qsort(sorted, pairs->count, sizeof(struct candidate *), compare);
    for (size_t at = 0, next; at < pairs->count; at = next) {
        for (next = at + 1; next < pairs->count && compare_content(sorted[at], sorted[next]) == 0;)
            next++;
        found += pair_content(sorted, at, next);
    }
    free(sorted);
    return found;
}

bool rename_pairs_too_many(const struct rename_pairs *pairs)
{
    return pairs->too_many;
}

const char *rename_pairs_next(struct rename_pairs *pairs, const struct manifest_line *line)
{
    const struct candidate *candidate;

    if (pairs->too_many || !may_be_paired(line))
        return NULL;
    assert(pairs->asked < pairs->count);
    candidate = &pairs->candidates[pairs->asked++];
    assert(strcmp(candidate->path, line->path) == 0);
    return candidate->partner != NULL ? candidate->partner->path : NULL;
}
