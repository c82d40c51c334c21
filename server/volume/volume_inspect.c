#include <errno.h>
#include <stdio.h>
#include <varve/error.h>
#include <varve/export.h>
#include <varve/inspect.h>

#include "inspect/inspect.h"
#include "volume/export_seat.h"
#include "volume/volume_name.h"
#include "volume/volume_ref.h"

static int read_export(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    return varve_export_read(opaque, buffer, length, offset);
}

/* A hole from end to end: told by the map, without reading. */
static int is_blank(struct varve_export *export, bool *ret_blank)
{
    uint64_t size = varve_export_size(export), offset = 0;

    *ret_blank = true;
    while (offset < size && *ret_blank) {
        struct varve_extent extent;
        int count = varve_export_extents(export, size - offset, offset, &extent, 1);

        if (count < 0)
            return count;
        if (count == 0)
            break;
        *ret_blank = extent.hole;
        offset = extent.offset + extent.length;
    }
    return 0;
}

static int inspect_export(struct varve_export *export, struct varve_inspection **ret_inspection)
{
    struct inspect_source source = {
        .read = read_export, .opaque = export, .size = varve_export_size(export)};
    bool blank = false;
    int r = is_blank(export, &blank);

    if (r == 0)
        r = inspect_source(&source, ret_inspection);
    if (r == 0) {
        (*ret_inspection)->blank = blank;
        (*ret_inspection)->frozen = export->frozen;
        snprintf((*ret_inspection)->ref, sizeof(*ret_inspection)->ref, "%s", export->ref);
    }
    return r;
}

int varve_inspect(struct varve *varve, const char *ref, struct varve_inspection **ret_inspection)
{
    char from[REF_TEXT_MAX + 1], to[REF_TEXT_MAX + 1];
    struct varve_export *export = NULL;
    int r;

    if (volume_ref_split(ref, from, to))
        return varve_fail(EINVAL,
                          "'%s' is a difference, which holds no file system of its own; inspect "
                          "'%s'",
                          show_text(ref).text, show_text(to).text);
    r = varve_export_open(varve, ref, "varve inspect", true, &export);

    if (r == 0)
        r = inspect_export(export, ret_inspection);
    varve_export_close(export);
    return r;
}
