#include "io/io_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "io/files.h"
#include "io/holder.h"
#include "io/io_lock.h"
#include "io/rings.h"
#include "io/transfer.h"
#include "varve/error.h"

const char *io_file_name(enum io_file file)
{
    return file == IO_JOURNAL ? "journal" : "extents";
}

enum io_slot io_slot(const struct io_files *files, const struct io_request *request)
{
    enum io_slot direct = request->file == IO_JOURNAL ? SLOT_JOURNAL_DIRECT : SLOT_DIRECT;
    /* a durable write of 8 KiB takes 82 us through the page cache and 55 past it */
    unsigned wish = request->file == IO_JOURNAL ? IO_DURABLE : IO_BULK;
    bool past_cache = (request->op == IO_READ && (request->flags & IO_REREAD)) ||
                      (request->op == IO_WRITE && (request->flags & wish) && files->direct);

    return past_cache && files->slot[direct] >= 0 ? direct : (enum io_slot)request->file;
}

static int request_failed(const struct io_files *files, const struct io_request *request)
{
    const char *name = io_file_name(request->file), *reason = strerrordesc_np(-request->result);

    if (request->op == IO_SYNC)
        return varve_fail(-request->result, "sync of %s/%s failed: %s", files->path, name, reason);
    return varve_fail(-request->result, "%s of %zu bytes at offset %llu of %s/%s failed: %s",
                      request->op == IO_READ ? "read" : "write", request->length,
                      (unsigned long long)request->offset, files->path, name, reason);
}

static int perform(struct io *io, struct io_request *requests, size_t count)
{
    struct io_files *files = io_files(io);

    if (count == 1)
        transfer(files, requests, 0);
    else
        rings_perform(files->rings, files, requests, count);
    for (size_t i = 0; i < count; i++)
        if (requests[i].result == -EAGAIN)
            return -EAGAIN; /* IO_NOWAIT: no failure, so there is no message */
        else if (requests[i].result != 0)
            return request_failed(files, &requests[i]);
    return 0;
}

static void read_ahead(struct io *io, const struct io_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        posix_fadvise(io_files(io)->slot[SLOT_EXTENTS], (off_t)requests[i].offset,
                      (off_t)requests[i].length, POSIX_FADV_WILLNEED);
}

static int map_stage(struct io *io, size_t length, void **ret_memory, size_t *ret_found)
{
    struct io_files *files = io_files(io);

    return stage_file_open(&files->stage, files->dir, files->path, files->slot[SLOT_JOURNAL],
                           files->read_only, length, ret_memory, ret_found);
}

static void remove_stage(struct io *io)
{
    stage_file_unlink(&io_files(io)->stage);
}

static void *allocate_memory(struct io *io, size_t length)
{
    return pages_take(io_files(io)->pages, length);
}

static void free_memory(struct io *io, void *memory, size_t length)
{
    pages_give(io_files(io)->pages, memory, length);
}

static uint64_t now(struct io *io)
{
    struct timespec time;

    (void)io;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void draw(struct io *io, void *buffer, size_t length)
{
    char *at = buffer;
    ssize_t drawn;

    (void)io;
    while (length > 0) {
        drawn = getrandom(at, length, 0);
        assert(drawn > 0 || errno == EINTR); /* without flags it knows no other failure */
        if (drawn > 0) {
            at += drawn;
            length -= (size_t)drawn;
        }
    }
}

static const struct io_ops operations = {
    .perform = perform,
    .read_ahead = read_ahead,
    .size = io_space_size,
    .allocate = io_space_allocate,
    .discard = io_space_discard,
    .stage_map = map_stage,
    .stage_remove = remove_stage,
    .memory_allocate = allocate_memory,
    .memory_free = free_memory,
    .now = now,
    .random = draw,
};

static struct io_files *files_new(const char *dir, unsigned flags)
{
    struct io_files *files = calloc(1, sizeof(*files));

    if (files == NULL)
        return NULL;
    files->io.ops = &operations;
    for (int i = 0; i < SLOTS; i++)
        files->slot[i] = -1;
    files->dir = files->lock = -1;
    files->process = getpid();
    files->read_only = flags & IO_OPEN_READ_ONLY;
    files->direct = flags & IO_OPEN_DIRECT;
    pthread_mutex_init(&files->growth, NULL);
    stage_file_init(&files->stage);
    files->path = strdup(dir);
    files->pages = pages_new();
    files->rings = rings_new(files->slot);
    if (files->path != NULL && files->pages != NULL && files->rings != NULL)
        return files;
    io_close(&files->io);
    return NULL;
}

int io_open(const char *dir, unsigned flags, struct io **ret_io)
{
    struct io_files *files = files_new(dir, flags);
    int rc;

    if (files == NULL)
        return varve_fail(ENOMEM, "no memory to open store %s", dir);
    files->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (files->dir < 0)
        rc = varve_fail(errno, "cannot open store directory %s: %s", dir, strerrordesc_np(errno));
    else
        rc = io_lock_open(files);
    if (rc < 0) {
        io_close(&files->io);
        return rc;
    }
    *ret_io = &files->io;
    return 0;
}

void io_close(struct io *io)
{
    struct io_files *files = io_files(io);

    if (io == NULL)
        return;
    stage_file_close(&files->stage);
    rings_free(files->rings);
    if (files->lock >= 0 && !files->read_only && files->process == getpid())
        holder_name(files->lock, true);
    io_lock_close(files);
    if (files->dir >= 0)
        close(files->dir);
    pages_free(files->pages);
    pthread_mutex_destroy(&files->growth);
    free(files->path);
    free(files);
}

void io_after_fork(struct io *io)
{
    struct io_files *files = io_files(io);

    files->process = getpid();
    rings_forget(files->rings);
    if (!files->read_only)
        holder_name(files->lock, false);
}

const char *io_engine(struct io *io)
{
    return rings_describe(io_files(io)->rings);
}
