/* A file of the scratch directory as the target of a file system. */
#ifndef UNIT_FILE_TARGET_H
#define UNIT_FILE_TARGET_H

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/target.h"

static inline int file_target_read(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    return pread(*(int *)opaque, buffer, length, (off_t)offset) == (ssize_t)length ? 0 : -EIO;
}

static inline int file_target_write(void *opaque, const void *buffer, size_t length,
                                    uint64_t offset)
{
    return pwrite(*(int *)opaque, buffer, length, (off_t)offset) == (ssize_t)length ? 0 : -EIO;
}

static inline int file_target_zero(void *opaque, uint64_t length, uint64_t offset)
{
    return fallocate(*(int *)opaque, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0
               ? 0
               : -errno;
}

/* `fd` stays the caller's, and open. */
static inline struct files_target file_target(int *fd)
{
    struct stat status = {.st_size = 0};

    (void)fstat(*fd, &status);
    return (struct files_target){.read = file_target_read,
                                 .write = file_target_write,
                                 .zero = file_target_zero,
                                 .opaque = fd,
                                 .size = (uint64_t)status.st_size};
}

#endif
