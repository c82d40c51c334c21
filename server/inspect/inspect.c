#include "inspect/inspect.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>

#include "inspect/inspect_range.h"

void varve_inspection_free(struct varve_inspection *inspection)
{
    if (inspection == NULL)
        return;
    free(inspection->partitions);
    free(inspection);
}

int inspect_source(const struct inspect_source *source, struct varve_inspection **ret_inspection)
{
    struct varve_inspection *inspection = calloc(1, sizeof *inspection);
    struct range range = {.source = source, .start = 0, .size = source->size};
    int r, window;

    if (inspection == NULL)
        return varve_fail(ENOMEM, "no memory to look at a volume");
    inspection->size = source->size;
    window = range_open_window(&range);
    r = window < 0 ? window : inspect_table(&range, window, inspection);
    if (r == 0)
        r = inspect_content(&range, window, &inspection->content);
    if (window >= 0)
        close(window);
    if (r != 0) {
        varve_inspection_free(inspection);
        return r;
    }
    *ret_inspection = inspection;
    return 0;
}

static int describe(blkid_probe probe, const char *path, char *finding)
{
    const char *type = NULL, *usage = NULL, *table = NULL;
    int found;

    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
    blkid_probe_enable_partitions(probe, 1);
    found = blkid_do_safeprobe(probe);
    if (found == -2) {
        snprintf(finding, INSPECT_FINDING_MAX, "signatures of several kinds");
        return 0;
    }
    if (found < 0)
        return varve_fail(EIO, "libblkid cannot look at '%s'", path);
    (void)blkid_probe_lookup_value(probe, "TYPE", &type, NULL);
    (void)blkid_probe_lookup_value(probe, "USAGE", &usage, NULL);
    (void)blkid_probe_lookup_value(probe, "PTTYPE", &table, NULL);
    if (type != NULL)
        snprintf(finding, INSPECT_FINDING_MAX, "%s%s", type,
                 usage != NULL && strcmp(usage, "filesystem") == 0 ? " file system" : "");
    else if (table != NULL)
        snprintf(finding, INSPECT_FINDING_MAX, "%s partition table", table);
    else
        finding[0] = '\0';
    return 0;
}

int inspect_device(const char *path, char ret_finding[INSPECT_FINDING_MAX])
{
    char finding[INSPECT_FINDING_MAX] = "";
    blkid_probe probe;
    int r, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return varve_fail(errno == ENOENT ? ENOENT : EIO, "cannot open '%s': %s", path,
                          strerror(errno));
    probe = blkid_new_probe();
    if (probe == NULL || blkid_probe_set_device(probe, fd, 0, 0) != 0)
        r = varve_fail(ENOMEM, "no memory to look at '%s'", path);
    else
        r = describe(probe, path, finding);
    blkid_free_probe(probe);
    close(fd);
    if (r == 0)
        memcpy(ret_finding, finding, sizeof finding);
    return r;
}
