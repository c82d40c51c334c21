#include "io/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* EAGAIN is not expected from files and devices opened without O_NONBLOCK; a driver below that says
 * it all the same is asked again for this long, a millisecond apart. */
enum { AGAIN_MAX = 5000 };

int transfer_result(int result)
{
    return result == -EDQUOT || result == -EFBIG ? -ENOSPC : result;
}

/* Bytes transferred, or -errno. */
static ssize_t move(int descriptor, const struct io_request *request, size_t done)
{
    struct iovec part = {.iov_base = (char *)request->buffer + done,
                         .iov_len = request->length - done};
    off_t offset = (off_t)(request->offset + done);
    int flags = (request->flags & IO_DURABLE ? RWF_DSYNC : 0) |
                (request->flags & IO_NOWAIT ? RWF_NOWAIT : 0);
    ssize_t moved = request->op == IO_READ ? preadv2(descriptor, &part, 1, offset, flags)
                                           : pwritev2(descriptor, &part, 1, offset, flags);

    return moved < 0 ? -errno : moved;
}

static int again(unsigned *tries)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    if (++*tries > AGAIN_MAX)
        return -EIO;
    nanosleep(&pause, NULL);
    return 0;
}

static int sync_file(int descriptor)
{
    /* Not again after EINTR: whether the error of the pages was reported and forgotten cannot be
     * known. */
    return fdatasync(descriptor) == 0 ? 0 : -errno;
}

void transfer(const struct io_files *files, struct io_request *request, size_t done)
{
    enum io_slot slot = io_slot(files, request);
    unsigned tries = 0;
    ssize_t moved;

    if (request->op == IO_SYNC) {
        request->result = transfer_result(sync_file(files->slot[slot]));
        return;
    }
    if ((request->flags & IO_REREAD) && !slot_is_direct(slot))
        posix_fadvise(files->slot[slot], (off_t)request->offset, (off_t)request->length,
                      POSIX_FADV_DONTNEED);
    request->result = 0;
    while (done < request->length && request->result == 0) {
        moved = move(files->slot[slot], request, done);
        if (moved > 0)
            done += (size_t)moved;
        else if (moved == 0)
            request->result = -EIO; /* past the end */
        else if (moved == -EINVAL && slot_is_direct(slot))
            slot = (enum io_slot)request->file; /* the device wants another alignment */
        else if (moved == -EOPNOTSUPP && (request->flags & IO_NOWAIT))
            request->flags &= ~(unsigned)IO_NOWAIT; /* not every file system can tell */
        else if (moved == -EAGAIN && (request->flags & IO_NOWAIT))
            request->result = -EAGAIN;
        else if (moved == -EAGAIN)
            request->result = again(&tries);
        else if (moved != -EINTR)
            request->result = transfer_result((int)moved);
    }
    /* a hint: where it does not work, the sync does all of it */
    if ((request->flags & IO_EARLY) && request->result == 0)
        sync_file_range(files->slot[slot], (off_t)request->offset, (off_t)request->length,
                        SYNC_FILE_RANGE_WRITE);
}
