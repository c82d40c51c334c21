#include "dataset/file_content.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <varve/error.h>
#include <varve/inspect.h>

enum { WORDS = 400, LISTED_MAX = 8 };

/* "ext4, swap, nothing known": what the partitions hold. */
static void list_partitions(const struct varve_inspection *inspection, char words[WORDS])
{
    size_t at = 0;

    words[0] = '\0';
    for (size_t i = 0; i < inspection->partition_count && at < WORDS; i++) {
        const char *type = inspection->partitions[i].content.type;

        if (i == LISTED_MAX) {
            (void)snprintf(words + at, WORDS - at, ", ...");
            return;
        }
        at += (size_t)snprintf(words + at, WORDS - at, "%s%s", i > 0 ? ", " : " (",
                               type[0] != '\0' ? type : "nothing known");
    }
    if (at > 0 && at < WORDS)
        (void)snprintf(words + at, WORDS - at, ")");
}

static int refuse(const struct varve_inspection *inspection)
{
    const struct varve_content *content = &inspection->content;
    char partitions[WORDS];

    if (inspection->blank)
        return varve_fail(EMEDIUMTYPE,
                          "'%s' is blank and holds no ext4 file system yet; attach it and make one",
                          inspection->ref);
    if (inspection->table_type[0] != '\0') {
        list_partitions(inspection, partitions);
        return varve_fail(EMEDIUMTYPE,
                          "'%s' holds a %s partition table with %zu partition%s%s, and files are "
                          "shown only of one ext4 file system; attach it to see them",
                          inspection->ref, inspection->table_type, inspection->partition_count,
                          inspection->partition_count == 1 ? "" : "s", partitions);
    }
    if (content->ambiguous)
        return varve_fail(EMEDIUMTYPE,
                          "'%s' has signatures of several file systems and no sound ext4; attach "
                          "it and look at it with wipefs",
                          inspection->ref);
    if (content->type[0] != '\0')
        return varve_fail(EMEDIUMTYPE,
                          "'%s' holds %s%s, and files are shown only of an ext4 file system; "
                          "attach it to use it",
                          inspection->ref, content->type,
                          strcmp(content->usage, "filesystem") == 0 ? " as its file system" : "");
    return varve_fail(EMEDIUMTYPE,
                      "'%s' holds raw bytes in which no file system is known, so it has no files; "
                      "attach it to read them",
                      inspection->ref);
}

int file_content_refuse(struct varve *varve, const char *ref)
{
    struct varve_inspection *inspection = NULL;
    int r = varve_inspect(varve, ref, &inspection);

    if (r == 0)
        r = refuse(inspection);
    varve_inspection_free(inspection);
    return r;
}
