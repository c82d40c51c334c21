#include <varve/file_tree.h>

#include "dataset/file_change.h"

struct deleting {
    const char *path;
    struct files_changed changed;
};

static int delete_path(void *opaque, const struct files_target *target, const char *what,
                       char said[FILE_CHANGE_SAID])
{
    struct deleting *deleting = opaque;
    struct files_changed *changed = &deleting->changed;
    int r = tree_delete(target, what, deleting->path, changed);

    if (r == 0)
        file_change_say("deleted", changed, "in it", said);
    return r;
}

int varve_file_delete(struct varve *varve, const char *ref, const char *path, uint64_t *ret_count)
{
    struct deleting deleting = {.path = path};
    int r = file_change(varve, ref, delete_path, &deleting);

    if (r == 0)
        *ret_count = deleting.changed.names;
    return r;
}
