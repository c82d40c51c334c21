/*
 * Reads, writes and syncs.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "varve/error.h"

/* What is known of a request of this call until its event. */
struct turn {
    struct io_request *request;
    uint64_t flight; /* of a write */
};

static const char *const file_names[] = {"extents", "journal"};

static void forbidden(const struct io_request *request, const char *what)
{
    fprintf(stderr, "sim disk: %s of %zu bytes at offset %llu of %s %s\n",
            request->op == IO_WRITE ? "write" : "read", request->length,
            (unsigned long long)request->offset, file_names[request->file], what);
    abort();
}

static void check_request(const struct sim_disk *disk, const struct io_request *request)
{
    assert((unsigned)request->file < IO_FILES);
    if (request->op == IO_SYNC)
        return;
    if (request->offset % SIM_PAGE != 0 || request->length % SIM_PAGE != 0 ||
        request->length == 0 ||
        (request->op == IO_WRITE && (request->flags & (IO_DURABLE | IO_BULK)) != 0 &&
         (uintptr_t)request->buffer % SIM_PAGE != 0))
        forbidden(request, "is not aligned");
    if (request->op == IO_WRITE && !disk->dead && /* a cut may have taken back the size */
        (request->offset > disk->file[request->file].size ||
         request->length > disk->file[request->file].size - request->offset))
        forbidden(request, "is past the end: allocate comes first");
}

/* Past the cache: what a failed sync doomed is not there. */
static void reread_locked(struct sim_disk *disk, const struct io_request *request)
{
    static const unsigned char zeroes[SIM_PAGE];

    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct pending *pending = &disk->pending[i];
        struct sim_file *file = &disk->file[request->file];
        uint64_t at = pending->block * SIM_PAGE;
        struct sim_page *page = page_tree_get(&file->durable, pending->block);

        if (!pending->doomed || pending->file != request->file || at < request->offset ||
            at >= request->offset + request->length ||
            page_tree_get(&file->current, pending->block) != pending->page)
            continue;
        if (page == NULL && request->file == IO_EXTENTS)
            page = disk->blank;
        memcpy((char *)request->buffer + (at - request->offset),
               page == NULL ? zeroes : page->bytes, SIM_PAGE);
    }
}

static int read_locked(struct sim_disk *disk, struct io_request *request, int fault)
{
    struct sim_file *file = &disk->file[request->file];
    unsigned char *to = request->buffer;

    if (fault == 0 &&
        (request->offset > file->size || request->length > file->size - request->offset))
        fault = -EIO;
    /* drawn for these reads alone: other histories stay what they are */
    if (fault == 0 && (request->flags & IO_NOWAIT) && chance_hit(&disk->chance, 1, 2))
        fault = -EAGAIN;
    if (fault != 0)
        memset(to, 0xdb, request->length); /* who looks at it all the same shall see it */
    else
        sim_disk_peek(disk, request->file, request->offset, to, request->length);
    if (fault == 0 && (request->flags & IO_REREAD))
        reread_locked(disk, request);
    return fault;
}

static void write_block_locked(struct sim_disk *disk, const struct flight *flight, uint64_t i)
{
    struct sim_file *file = &disk->file[flight->file];
    uint64_t block = flight->block + i;

    page_tree_put(&file->previous, block, page_tree_get(&file->current, block));
    page_tree_put(&file->current, block, flight->pages[i]);
    if ((flight->flags & IO_DURABLE) == 0) {
        pending_add_locked(disk, flight->file, block, flight->pages[i]);
        return;
    }
    pending_void_locked(disk, flight->file, block);
    page_tree_put(&file->durable, block, flight->pages[i]);
    if (file->durable_size < (block + 1) * SIM_PAGE) /* what is needed to find it */
        file->durable_size = (block + 1) * SIM_PAGE;
}

static int write_locked(struct sim_disk *disk, const struct turn *turn, int fault)
{
    struct flight *flight = flight_find_locked(disk, turn->flight);
    const unsigned char *bytes = turn->request->buffer;

    if (flight == NULL)
        return -EIO; /* a cut took it */
    for (uint64_t i = 0; i < flight->count; i++) {
        if (memcmp(flight->pages[i]->bytes, bytes + i * SIM_PAGE, SIM_PAGE) != 0)
            forbidden(turn->request, "had its buffer changed while it was under way");
        if (fault == 0 || (fault == -EIO && chance_hit(&disk->chance, 1, 2)))
            write_block_locked(disk, flight, i);
    }
    flight_remove_locked(disk, turn->flight);
    return fault;
}

static int sync_locked(struct sim_disk *disk, enum io_file which, uint64_t sequence, uint64_t size,
                       int fault)
{
    struct sim_file *file = &disk->file[which];

    pending_sync_locked(disk, which, sequence, fault != 0);
    if (file->durable_size < size && (fault == 0 || chance_hit(&disk->chance, 1, 2)))
        file->durable_size = size;
    return fault;
}

static enum sim_kind kind_of(enum io_op op)
{
    switch (op) {
    case IO_READ:
        return SIM_READ;
    case IO_WRITE:
        return SIM_WRITE;
    case IO_SYNC:
        break;
    }
    return SIM_SYNC;
}

static int one_locked(struct sim_disk *disk, const struct turn *turn, uint64_t sequence,
                      const uint64_t *sizes)
{
    struct io_request *request = turn->request;
    struct sim_event event = {.kind = kind_of(request->op),
                              .file = request->file,
                              .offset = request->offset,
                              .length = request->length,
                              .flags = request->flags};
    int fault = sim_event_locked(disk, &event);

    if (disk->dead)
        return -EIO;
    switch (request->op) {
    case IO_READ:
        return read_locked(disk, request, fault);
    case IO_WRITE:
        return write_locked(disk, turn, fault);
    case IO_SYNC:
        break;
    }
    return sync_locked(disk, request->file, sequence, sizes[request->file], fault);
}

static void shuffle_locked(struct sim_disk *disk, struct turn *turns, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)chance_below(&disk->chance, i);
        struct turn turn = turns[i - 1];

        turns[i - 1] = turns[other];
        turns[other] = turn;
    }
}

int sim_perform(struct io *io, struct io_request *requests, size_t count)
{
    struct sim_disk *disk = sim_disk_of(io);
    struct turn *turns = sim_must(calloc(count + 1, sizeof(*turns)));
    uint64_t sequence, sizes[IO_FILES];

    pthread_mutex_lock(&disk->mutex);
    sequence = disk->sequence; /* a sync covers what was complete before this call */
    for (int i = 0; i < IO_FILES; i++)
        sizes[i] = disk->file[i].size;
    for (size_t i = 0; i < count; i++) {
        check_request(disk, &requests[i]);
        turns[i].request = &requests[i];
        if (requests[i].op == IO_WRITE && !disk->dead)
            turns[i].flight = flight_add_locked(disk, &requests[i])->number;
    }
    shuffle_locked(disk, turns, count);
    for (size_t i = 0; i < count; i++)
        turns[i].request->result = one_locked(disk, &turns[i], sequence, sizes);
    pthread_mutex_unlock(&disk->mutex);
    free(turns);
    for (size_t i = 0; i < count; i++)
        if (requests[i].result != 0)
            return varve_fail(-requests[i].result,
                              "simulated %s of %zu bytes at offset %llu of %s fails: %s",
                              requests[i].op == IO_READ    ? "read"
                              : requests[i].op == IO_WRITE ? "write"
                                                           : "sync",
                              requests[i].length, (unsigned long long)requests[i].offset,
                              file_names[requests[i].file], strerrordesc_np(-requests[i].result));
    return 0;
}
