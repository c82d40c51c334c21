#include "dataset/content_class.h"

#include <stdio.h>
#include <string.h>

#include "volume/image_inspect.h"

const char *content_class_name(enum content_class class)
{
    static const char *const names[] = {[CONTENT_RAW] = "raw",
                                        [CONTENT_CLEAN] = "clean",
                                        [CONTENT_UNKNOWN] = "unknown",
                                        [CONTENT_DIRTY] = "dirty"};

    return names[class];
}

/* What raid members and encrypted volumes hold cannot be seen from here. */
static enum content_class class_of(const struct varve_content *content)
{
    switch (content->clean) {
    case VARVE_CLEAN_NO:
        return CONTENT_DIRTY;
    case VARVE_CLEAN_UNKNOWN:
        return CONTENT_UNKNOWN;
    case VARVE_CLEAN_YES:
        return CONTENT_CLEAN;
    case VARVE_CLEAN_NOT_APPLICABLE:
        break;
    }
    if (content->ambiguous || strcmp(content->usage, "raid") == 0 ||
        strcmp(content->usage, "crypto") == 0)
        return CONTENT_UNKNOWN;
    return strcmp(content->usage, "filesystem") == 0 ? CONTENT_CLEAN : CONTENT_RAW;
}

/* --- what is dirty, in words ----------------------------------------------------------------- */

struct words {
    char *text;
    size_t used, room;
    unsigned left_out; /* partitions that did not fit */
};

static bool is_same(const struct varve_content *a, const struct varve_content *b)
{
    return class_of(b) == CONTENT_DIRTY && strcmp(a->type, b->type) == 0 &&
           strcmp(a->clean_reason, b->clean_reason) == 0;
}

/* "partitions 1-3, 7, ext4: journal needs recovery", of all from `first` on that are like it. */
static unsigned describe_group(const struct varve_inspection *inspection, size_t first, char *text,
                               size_t size)
{
    const struct varve_partition *partitions = inspection->partitions;
    const struct varve_content *content = &partitions[first].content;
    unsigned count = 0;
    size_t used = 0;

    for (size_t i = first, end = 0; i < inspection->partition_count; i = end + 1) {
        end = i;
        if (!is_same(content, &partitions[i].content))
            continue;
        while (end + 1 < inspection->partition_count &&
               partitions[end + 1].number == partitions[end].number + 1 &&
               is_same(content, &partitions[end + 1].content))
            end++;
        if (used < size)
            used += (size_t)snprintf(text + used, size - used, "%s%d", count > 0 ? ", " : "",
                                     partitions[i].number);
        if (end > i && used < size)
            used += (size_t)snprintf(text + used, size - used, end > i + 1 ? "-%d" : ", %d",
                                     partitions[end].number);
        count += (unsigned)(end - i + 1);
    }
    if (used < size)
        (void)snprintf(text + used, size - used, ", %s: %s", content->type, content->clean_reason);
    return count;
}

static void add(struct words *words, const char *text, unsigned count)
{
    const char *between = words->used > 0 ? "; " : "";

    if (words->left_out > 0 ||
        words->used + strlen(between) + strlen(text) + sizeof "; and 1234 more" > words->room)
        words->left_out += count;
    else
        words->used += (size_t)snprintf(words->text + words->used, words->room - words->used,
                                        "%s%s", between, text);
}

static bool is_told(const struct varve_inspection *inspection, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_same(&inspection->partitions[at].content, &inspection->partitions[i].content))
            return true;
    return false;
}

static unsigned describe_dirty(const struct varve_inspection *inspection, struct words *words)
{
    char numbers[CONTENT_REASON_MAX], text[CONTENT_REASON_MAX + 16];
    unsigned total = 0;

    if (class_of(&inspection->content) == CONTENT_DIRTY) {
        snprintf(text, sizeof text, "%s: %s", inspection->content.type,
                 inspection->content.clean_reason);
        add(words, text, total = 1);
    }
    for (size_t i = 0; i < inspection->partition_count; i++) {
        unsigned count;

        if (class_of(&inspection->partitions[i].content) != CONTENT_DIRTY || is_told(inspection, i))
            continue;
        count = describe_group(inspection, i, numbers, sizeof numbers);
        snprintf(text, sizeof text, "partition%s %s", count > 1 ? "s" : "", numbers);
        add(words, text, count);
        total += count;
    }
    if (words->left_out > 0)
        (void)snprintf(words->text + words->used, words->room - words->used, "%s%u%s",
                       words->used > 0 ? "; and " : "", words->left_out,
                       words->used > 0 ? " more" : " partitions");
    return total;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void judge(const struct varve_content *content, enum content_class *class)
{
    enum content_class found = class_of(content);

    *class = found > *class ? found : *class;
}

int content_class_of(struct store *store, struct store_image *image,
                     struct content_verdict *ret_verdict)
{
    struct content_verdict verdict = {.class = CONTENT_RAW};
    struct words words = {.text = verdict.reason, .room = sizeof verdict.reason};
    struct varve_inspection *inspection = NULL;
    int r = image_inspect(store, image, &inspection);

    if (r != 0)
        return r;
    judge(&inspection->content, &verdict.class);
    for (size_t i = 0; i < inspection->partition_count; i++)
        judge(&inspection->partitions[i].content, &verdict.class);
    if (verdict.class == CONTENT_DIRTY)
        verdict.dirty = describe_dirty(inspection, &words);
    varve_inspection_free(inspection);
    *ret_verdict = verdict;
    return 0;
}
