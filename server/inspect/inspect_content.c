#include <blkid.h>
#include <errno.h>
#include <varve/error.h>

#include "inspect/inspect_range.h"

static void copy_value(blkid_probe probe, const char *name, char *to, size_t size)
{
    const char *value = NULL;

    if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0)
        text_copy(to, size, value);
}

static int probe_content(blkid_probe probe, int window, struct varve_content *content)
{
    int found;

    if (blkid_probe_set_device(probe, window, 0, 0) != 0)
        return varve_fail(ENOMEM, "no memory to look for a file system");
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
                                                 BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
                                                 BLKID_SUBLKS_VERSION);
    found = blkid_do_safeprobe(probe);
    if (found == -2)
        content->ambiguous = true;
    else if (found < 0)
        return varve_fail(EIO, "libblkid cannot look for a file system");
    if (found != 0)
        return 0;
    copy_value(probe, "TYPE", content->type, sizeof content->type);
    copy_value(probe, "USAGE", content->usage, sizeof content->usage);
    copy_value(probe, "VERSION", content->version, sizeof content->version);
    copy_value(probe, "LABEL", content->label, sizeof content->label);
    copy_value(probe, "UUID", content->uuid, sizeof content->uuid);
    return 0;
}

int inspect_content(const struct range *range, int window, struct varve_content *ret_content)
{
    struct varve_content content = {.clean = VARVE_CLEAN_NOT_APPLICABLE};
    blkid_probe probe = blkid_new_probe();
    int r = probe == NULL ? varve_fail(ENOMEM, "no memory to look for a file system")
                          : probe_content(probe, window, &content);

    blkid_free_probe(probe);
    if (r == 0)
        r = clean_state(range, &content);
    if (r == 0)
        *ret_content = content;
    return r;
}
