#include <varve/file_tree.h>

#include "dataset/file_change.h"
#include "files/tree.h"

struct deleting {
    const char *path;
    uint64_t count;
};

static int delete_path(void *opaque, const struct files_target *target, const char *what)
{
    struct deleting *deleting = opaque;

    return tree_delete(target, what, deleting->path, &deleting->count);
}

int varve_file_delete(struct varve *varve, const char *ref, const char *path, uint64_t *ret_count)
{
    struct deleting deleting = {.path = path};
    int r = file_change(varve, ref, delete_path, &deleting);

    if (r == 0)
        *ret_count = deleting.count;
    return r;
}
