#include <varve/file_tree.h>

#include "dataset/file_change.h"

struct putting {
    const char *path;
    varve_file_source source;
    void *opaque;
    struct files_changed changed;
};

static int put(void *opaque, const struct files_target *target, const char *what,
               char said[FILE_CHANGE_SAID])
{
    struct putting *putting = opaque;
    struct files_changed *changed = &putting->changed;
    int r = tree_put(target, what, putting->path, putting->source, putting->opaque, changed);

    if (r == 0)
        file_change_say("put", changed, "more", said);
    return r;
}

int varve_file_put(struct varve *varve, const char *ref, const char *path, varve_file_source source,
                   void *opaque, uint64_t *ret_count)
{
    struct putting putting = {.path = path, .source = source, .opaque = opaque};
    int r = file_change(varve, ref, put, &putting);

    if (r == 0)
        *ret_count = putting.changed.names;
    return r;
}
