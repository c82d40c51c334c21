/*
 * What a range of bytes holds, as libblkid knows it, and whether a file system in it was left
 * clean. Reads only, through a function of the caller's; knows no store. The only folder that
 * includes blkid.h.
 *
 * Errors: 0 or -errno with a line in varve_error(); those of `read` are handed up unchanged.
 *
 * Threads: any, at once.
 */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include <stddef.h>
#include <stdint.h>
#include <varve/inspect.h>

struct inspect_source {
    int (*read)(void *opaque, void *buffer, size_t length, uint64_t offset);
    void *opaque;
    uint64_t size; /* bytes; all offsets below are within */
};

/* Fills everything but `blank`, which is the caller's to know. */
int inspect_source(const struct inspect_source *source, struct varve_inspection **ret_inspection);

/* Says in one phrase what is on a block device, e.g. "an ext4 file system" or "a gpt partition
 * table"; "" when libblkid knows nothing of it. */
enum { INSPECT_FINDING_MAX = 96 };
int inspect_device(const char *path, char ret_finding[INSPECT_FINDING_MAX]);

#endif
