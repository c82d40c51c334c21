/*
 * The size of the files, and the space below them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/files.h"
#include "io/transfer.h"
#include "varve/error.h"

uint64_t io_space_size(struct io *io, enum io_file file)
{
    struct io_files *files = io_files(io);
    struct stat now;

    if (file == IO_EXTENTS && files->device)
        return files->device_size;
    return fstat(files->slot[file], &now) == 0 ? (uint64_t)now.st_size : 0;
}

/* For file systems without fallocate. Space cannot be promised there, size can. */
static int grow(struct io_files *files, enum io_file file, uint64_t end)
{
    int rc = 0;

    /* two at once could otherwise cut off what the other had added */
    pthread_mutex_lock(&files->growth);
    if (io_space_size(&files->io, file) < end && ftruncate(files->slot[file], (off_t)end) != 0)
        rc = -errno;
    pthread_mutex_unlock(&files->growth);
    return rc;
}

static int reserve(struct io_files *files, enum io_file file, uint64_t offset, uint64_t length)
{
    int rc;

    do
        rc = fallocate(files->slot[file], 0, (off_t)offset, (off_t)length) == 0 ? 0 : -errno;
    while (rc == -EINTR);
    return rc == -EOPNOTSUPP ? grow(files, file, offset + length) : rc;
}

int io_space_allocate(struct io *io, enum io_file file, uint64_t offset, uint64_t length)
{
    struct io_files *files = io_files(io);
    int rc;

    if (file == IO_EXTENTS && files->device) {
        if (offset <= files->device_size && length <= files->device_size - offset)
            return 0;
        return varve_fail(ENOSPC, "the device behind %s/extents ends at %llu bytes", files->path,
                          (unsigned long long)files->device_size);
    }
    if (length == 0)
        return 0;
    rc = transfer_result(reserve(files, file, offset, length));
    if (rc == 0)
        return 0;
    return varve_fail(-rc, "cannot get %llu bytes at offset %llu for %s/%s: %s",
                      (unsigned long long)length, (unsigned long long)offset, files->path,
                      io_file_name(file), strerrordesc_np(-rc));
}

int io_space_discard(struct io *io, enum io_file file, uint64_t offset, uint64_t length)
{
    struct io_files *files = io_files(io);
    uint64_t range[2] = {offset, length};
    int rc;

    if (length == 0)
        return 0;
    if (file == IO_EXTENTS && files->device)
        rc = ioctl(files->slot[SLOT_EXTENTS], BLKDISCARD, range);
    else
        rc = fallocate(files->slot[file], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                       (off_t)length);
    if (rc == 0)
        return 0;
    if (errno == EOPNOTSUPP || errno == ENOTTY)
        return -ENOTSUP; /* usual, and only a hint: no message */
    return varve_fail(errno, "cannot discard %llu bytes at offset %llu of %s/%s: %s",
                      (unsigned long long)length, (unsigned long long)offset, files->path,
                      io_file_name(file), strerrordesc_np(errno));
}
