#include <varve/file_tree.h>

#include "dataset/file_change.h"
#include "files/tree.h"

struct putting {
    const char *path;
    varve_file_source source;
    void *opaque;
    uint64_t count;
};

static int put(void *opaque, const struct files_target *target, const char *what)
{
    struct putting *putting = opaque;

    return tree_put(target, what, putting->path, putting->source, putting->opaque, &putting->count);
}

int varve_file_put(struct varve *varve, const char *ref, const char *path, varve_file_source source,
                   void *opaque, uint64_t *ret_count)
{
    struct putting putting = {.path = path, .source = source, .opaque = opaque};
    int r = file_change(varve, ref, put, &putting);

    if (r == 0)
        *ret_count = putting.count;
    return r;
}
