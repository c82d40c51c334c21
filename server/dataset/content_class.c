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

static void judge(const struct varve_content *content, int partition, enum content_class *class,
                  char *reason)
{
    enum content_class found = class_of(content);
    char place[32] = "";

    if (found == CONTENT_DIRTY && *class != CONTENT_DIRTY) {
        if (partition > 0)
            snprintf(place, sizeof place, "partition %d, ", partition);
        snprintf(reason, CONTENT_REASON_MAX, "%s%s: %s", place, content->type,
                 content->clean_reason);
    }
    *class = found > *class ? found : *class;
}

int content_class_of(struct store *store, struct store_image *image, enum content_class *ret_class,
                     char ret_reason[CONTENT_REASON_MAX])
{
    struct varve_inspection *inspection = NULL;
    enum content_class class = CONTENT_RAW;
    int r = image_inspect(store, image, &inspection);

    if (r != 0)
        return r;
    ret_reason[0] = '\0';
    judge(&inspection->content, 0, &class, ret_reason);
    for (size_t i = 0; i < inspection->partition_count; i++)
        judge(&inspection->partitions[i].content, inspection->partitions[i].number, &class,
              ret_reason);
    varve_inspection_free(inspection);
    *ret_class = class;
    return 0;
}
