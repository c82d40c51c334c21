/*
 * What a file system lies on: bytes that can be read, written and made zero. server/dataset puts an
 * image of the store behind it, tests put a file or memory.
 *
 * The functions return 0 or -errno with a line in varve_error(). Any range within `size` is legal.
 */
#ifndef FILES_TARGET_H
#define FILES_TARGET_H

#include <stddef.h>
#include <stdint.h>

struct files_target {
    int (*read)(void *opaque, void *buffer, size_t length, uint64_t offset);
    int (*write)(void *opaque, const void *buffer, size_t length, uint64_t offset);
    int (*zero)(void *opaque, uint64_t length, uint64_t offset); /* gives the space back */
    void *opaque;
    uint64_t size; /* bytes */
};

#endif
