/*
 * One request by synchronous system calls, to its end: short transfers, EINTR and EAGAIN are
 * continued here, for the requests that rings return unfinished as well.
 *
 * Threads: any.
 */
#ifndef IO_TRANSFER_H
#define IO_TRANSFER_H

#include "io/files.h"

/* Sets request->result. `done` bytes of a read or write have been transferred already. */
void transfer(const struct io_files *files, struct io_request *request, size_t done);

/* The results that the seam knows: no EDQUOT and EFBIG, which are ENOSPC to the store. Takes and
 * returns -errno or 0. */
int transfer_result(int result);

#endif
