/* Reading the files of any ref, as one that attached it would. */
#include <errno.h>

#include <varve/error.h>
#include <varve/export.h>
#include <varve/file_tree.h>

#include "dataset/file_content.h"
#include "files/tree.h"

static int read_export(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    return varve_export_read(opaque, buffer, length, offset);
}

/* Nothing that reads ever comes here. */
static int refuse_write(void *opaque, const void *buffer, size_t length, uint64_t offset)
{
    (void)opaque;
    (void)buffer;
    (void)length;
    (void)offset;
    return varve_fail(EROFS, "files that are read cannot be written");
}

static int refuse_zero(void *opaque, uint64_t length, uint64_t offset)
{
    return refuse_write(opaque, NULL, (size_t)length, offset);
}

/* The export is to be closed after it. */
static int open_target(struct varve *varve, const char *ref, struct files_target *ret_target)
{
    struct varve_export *export = NULL;
    int r = varve_export_open(varve, ref, "varve files", true, &export);

    if (r < 0)
        return r;
    *ret_target = (struct files_target){.read = read_export,
                                        .write = refuse_write,
                                        .zero = refuse_zero,
                                        .opaque = export,
                                        .size = varve_export_size(export)};
    return 0;
}

int varve_file_list(struct varve *varve, const char *ref, const char *path, bool recursive,
                    varve_file_visit visit, void *opaque)
{
    struct files_target target;
    int r = open_target(varve, ref, &target);

    if (r < 0)
        return r;
    r = tree_list(&target, ref, path, recursive, visit, opaque);
    varve_export_close(target.opaque);
    return r == -EMEDIUMTYPE ? file_content_refuse(varve, ref) : r;
}

int varve_file_get(struct varve *varve, const char *ref, const char *path, varve_file_sink sink,
                   void *opaque)
{
    struct files_target target;
    int r = open_target(varve, ref, &target);

    if (r < 0)
        return r;
    r = tree_get(&target, ref, path, sink, opaque);
    varve_export_close(target.opaque);
    return r == -EMEDIUMTYPE ? file_content_refuse(varve, ref) : r;
}
