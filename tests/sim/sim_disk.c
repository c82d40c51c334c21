#include "sim_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "varve/error.h"

static uint64_t size(struct io *io, enum io_file file)
{
    struct sim_disk *disk = sim_disk_of(io);
    uint64_t bytes;

    pthread_mutex_lock(&disk->mutex);
    bytes = disk->file[file].size;
    pthread_mutex_unlock(&disk->mutex);
    return bytes;
}

static int allocate(struct io *io, enum io_file file, uint64_t offset, uint64_t length)
{
    struct sim_disk *disk = sim_disk_of(io);
    struct sim_event event = {
        .kind = SIM_ALLOCATE, .file = file, .offset = offset, .length = length};
    uint64_t limit = disk->options.capacity, end = offset + length;
    int rc;

    assert(end >= offset);
    pthread_mutex_lock(&disk->mutex);
    rc = sim_event_locked(disk, &event);
    if (disk->options.device_size > 0 && file == IO_EXTENTS)
        limit = disk->options.device_size;
    if (rc == 0 && end > limit)
        rc = -ENOSPC;
    if (rc == 0 && end > disk->file[file].size)
        disk->file[file].size = end;
    pthread_mutex_unlock(&disk->mutex);
    if (rc == 0)
        return 0;
    return varve_fail(-rc, "simulated allocate of %llu bytes at offset %llu fails: %s",
                      (unsigned long long)length, (unsigned long long)offset, strerrordesc_np(-rc));
}

/* A discard may take effect at once, later, in part, or never. */
static int discard(struct io *io, enum io_file which, uint64_t offset, uint64_t length)
{
    struct sim_disk *disk = sim_disk_of(io);
    struct sim_event event = {
        .kind = SIM_DISCARD, .file = which, .offset = offset, .length = length};
    struct sim_file *file = &disk->file[which];
    int rc;

    assert(offset % SIM_PAGE == 0 && length % SIM_PAGE == 0);
    pthread_mutex_lock(&disk->mutex);
    rc = sim_event_locked(disk, &event);
    if (offset + length > file->size) { /* there is nothing to give back there */
        assert(which != IO_EXTENTS || disk->options.device_size == 0);
        length = offset < file->size ? file->size - offset : 0;
    }
    for (uint64_t block = offset / SIM_PAGE; rc == 0 && block < (offset + length) / SIM_PAGE;
         block++) {
        if (chance_hit(&disk->chance, 1, 8))
            continue;
        page_tree_put(&file->current, block, NULL);
        if (chance_hit(&disk->chance, 1, 2)) {
            pending_void_locked(disk, which, block);
            page_tree_put(&file->durable, block, NULL);
        } else {
            pending_add_locked(disk, which, block, NULL);
        }
    }
    pthread_mutex_unlock(&disk->mutex);
    return rc == 0 ? 0 : varve_fail(-rc, "simulated discard fails: %s", strerrordesc_np(-rc));
}

static int stage_map(struct io *io, size_t length, void **ret_memory, size_t *ret_found)
{
    struct sim_disk *disk = sim_disk_of(io);
    struct sim_page *page;

    assert(length > 0 && length % SIM_PAGE == 0);
    pthread_mutex_lock(&disk->mutex);
    if (disk->dead) { /* a stop may have come before the stage was removed */
        pthread_mutex_unlock(&disk->mutex);
        return varve_fail(EIO, "simulated stage memory is not to be had: the disk is off");
    }
    assert(disk->stage == NULL || !disk->stage_named); /* once in a life, or removed */
    if (disk->stage != NULL)
        sim_zeroed_free(disk->stage, disk->stage_length);
    disk->stage = NULL;
    *ret_found = disk->kept.there ? disk->kept.length : 0;
    length = *ret_found != 0 ? *ret_found : length;
    disk->stage = sim_zeroed(length);
    disk->stage_length = length;
    disk->stage_named = true;
    for (uint64_t i = 0; *ret_found != 0 && i < length / SIM_PAGE; i++) {
        page = page_tree_get(&disk->kept.pages, i);
        if (page != NULL)
            memcpy(disk->stage + i * SIM_PAGE, page->bytes, SIM_PAGE);
    }
    page_tree_drop(&disk->kept.pages);
    disk->kept.there = false;
    *ret_memory = disk->stage;
    pthread_mutex_unlock(&disk->mutex);
    return 0;
}

static void stage_remove(struct io *io)
{
    struct sim_disk *disk = sim_disk_of(io);
    struct sim_event event = {.kind = SIM_STAGE, .length = disk->stage_length};

    pthread_mutex_lock(&disk->mutex);
    if (sim_event_locked(disk, &event) == 0)
        disk->stage_named = false;
    pthread_mutex_unlock(&disk->mutex);
}

static void *memory_allocate(struct io *io, size_t length)
{
    struct sim_disk *disk = sim_disk_of(io);
    size_t rounded = (length + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE;
    void *memory = NULL;
    bool fails;

    pthread_mutex_lock(&disk->mutex);
    fails = disk->memory_fails == 1;
    if (disk->memory_fails > 1 || (fails && !disk->memory_fails_forever))
        disk->memory_fails--;
    disk->struck += fails;
    if (!fails && length > 0) {
        memory = sim_zeroed(rounded);
        disk->memory += length;
    }
    pthread_mutex_unlock(&disk->mutex);
    return memory;
}

static void memory_free(struct io *io, void *memory, size_t length)
{
    struct sim_disk *disk = sim_disk_of(io);

    if (memory == NULL)
        return;
    pthread_mutex_lock(&disk->mutex);
    assert(disk->memory >= length); /* else the length is not the one it was allocated with */
    disk->memory -= length;
    pthread_mutex_unlock(&disk->mutex);
    sim_zeroed_free(memory, (length + SIM_PAGE - 1) / SIM_PAGE * SIM_PAGE);
}

static uint64_t now(struct io *io)
{
    struct sim_disk *disk = sim_disk_of(io);
    uint64_t clock;

    pthread_mutex_lock(&disk->mutex);
    clock = disk->clock += 1000;
    pthread_mutex_unlock(&disk->mutex);
    return clock;
}

static void draw(struct io *io, void *buffer, size_t length)
{
    struct sim_disk *disk = sim_disk_of(io);
    unsigned char *to = buffer;

    pthread_mutex_lock(&disk->mutex);
    for (size_t i = 0; i < length; i++)
        to[i] = (unsigned char)chance_draw(&disk->drawn);
    pthread_mutex_unlock(&disk->mutex);
}

static void no_read_ahead(struct io *io, const struct io_request *requests, size_t count)
{
    (void)io;
    (void)requests;
    (void)count;
}

const struct io_ops sim_operations = {
    .perform = sim_perform,
    .read_ahead = no_read_ahead,
    .size = size,
    .allocate = allocate,
    .discard = discard,
    .stage_map = stage_map,
    .stage_remove = stage_remove,
    .memory_allocate = memory_allocate,
    .memory_free = memory_free,
    .now = now,
    .random = draw,
};

struct sim_disk *sim_disk_new(const struct sim_options *options)
{
    struct sim_disk *disk = sim_must(calloc(1, sizeof(*disk)));
    unsigned char garbage[SIM_PAGE];

    assert(options->journal_size % SIM_PAGE == 0 && options->device_size % SIM_PAGE == 0);
    disk->io.ops = &sim_operations;
    disk->options = *options;
    if (disk->options.capacity == 0)
        disk->options.capacity = PAGE_TREE_MAX * SIM_PAGE;
    pthread_mutex_init(&disk->mutex, NULL);
    disk->chance.state = options->seed;
    disk->drawn.state = ~options->seed;
    for (size_t i = 0; i < SIM_PAGE; i++)
        garbage[i] = (unsigned char)chance_draw(&disk->chance);
    if (options->used_device)
        disk->blank = sim_page_new(garbage);
    disk->file[IO_EXTENTS].size = disk->file[IO_EXTENTS].durable_size = options->device_size;
    disk->file[IO_JOURNAL].size = disk->file[IO_JOURNAL].durable_size = options->journal_size;
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (disk == NULL)
        return;
    pending_clear_locked(disk);
    flight_clear_locked(disk);
    for (int i = 0; i < IO_FILES; i++) {
        page_tree_drop(&disk->file[i].current);
        page_tree_drop(&disk->file[i].durable);
        page_tree_drop(&disk->file[i].previous);
    }
    page_tree_drop(&disk->kept.pages);
    sim_page_unref(disk->blank);
    pthread_mutex_destroy(&disk->mutex);
    free(disk->pending);
    free(disk->flights);
    sim_zeroed_free(disk->stage, disk->stage_length);
    free(disk);
}

struct io *sim_disk_io(struct sim_disk *disk)
{
    return &disk->io;
}

uint64_t sim_disk_memory(struct sim_disk *disk)
{
    return disk->memory;
}

uint64_t sim_disk_fingerprint(struct sim_disk *disk)
{
    uint64_t fingerprint = 0;

    for (int i = 0; i < IO_FILES; i++) {
        fingerprint = fingerprint_add(fingerprint, page_tree_fingerprint(&disk->file[i].durable));
        fingerprint = fingerprint_add(fingerprint, disk->file[i].durable_size);
    }
    return fingerprint;
}

void sim_disk_advance(struct sim_disk *disk, uint64_t nanoseconds)
{
    disk->clock += nanoseconds;
}
