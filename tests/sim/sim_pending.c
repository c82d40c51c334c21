/*
 * Writes that are complete and not durable, and writes under way.
 */
#include <stdlib.h>
#include <string.h>

#include "disk.h"

static void drop(struct sim_disk *disk, enum io_file file, uint64_t block, bool doomed_only)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->pending_count; i++) {
        struct pending *pending = &disk->pending[i];

        if (pending->file == file && pending->block == block && (pending->doomed || !doomed_only))
            sim_page_unref(pending->page);
        else
            disk->pending[kept++] = *pending;
    }
    disk->pending_count = kept;
}

void pending_void_locked(struct sim_disk *disk, enum io_file file, uint64_t block)
{
    drop(disk, file, block, false);
}

void pending_add_locked(struct sim_disk *disk, enum io_file file, uint64_t block,
                        struct sim_page *page)
{
    if (disk->doomed)
        drop(disk, file, block, true); /* the cache has newer bytes to write */
    if (disk->pending_count == disk->pending_room) {
        disk->pending_room = disk->pending_room * 2 + 64;
        disk->pending =
            sim_must(realloc(disk->pending, disk->pending_room * sizeof(*disk->pending)));
    }
    disk->pending[disk->pending_count++] = (struct pending){
        .file = file, .block = block, .page = sim_page_ref(page), .sequence = ++disk->sequence};
}

void pending_sync_locked(struct sim_disk *disk, enum io_file file, uint64_t sequence, bool failed)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->pending_count; i++) {
        struct pending *pending = &disk->pending[i];

        if (pending->file != file || pending->sequence > sequence || pending->doomed) {
            disk->pending[kept++] = *pending;
        } else if (failed && chance_hit(&disk->chance, 1, 2)) {
            pending->doomed = disk->doomed = true;
            disk->pending[kept++] = *pending;
        } else {
            page_tree_put(&disk->file[file].durable, pending->block, pending->page);
            sim_page_unref(pending->page);
        }
    }
    disk->pending_count = kept;
}

void pending_clear_locked(struct sim_disk *disk)
{
    for (size_t i = 0; i < disk->pending_count; i++)
        sim_page_unref(disk->pending[i].page);
    disk->pending_count = 0;
}

struct flight *flight_add_locked(struct sim_disk *disk, const struct io_request *request)
{
    struct flight *flight;
    const unsigned char *bytes = request->buffer;

    if (disk->flight_count == disk->flight_room) {
        disk->flight_room = disk->flight_room * 2 + 16;
        disk->flights =
            sim_must(realloc(disk->flights, disk->flight_room * sizeof(*disk->flights)));
    }
    flight = &disk->flights[disk->flight_count++];
    *flight = (struct flight){.number = ++disk->last_flight,
                              .file = request->file,
                              .flags = request->flags,
                              .block = request->offset / SIM_PAGE,
                              .count = request->length / SIM_PAGE};
    flight->pages = sim_must(calloc(flight->count + 1, sizeof(struct sim_page *)));
    for (uint64_t i = 0; i < flight->count; i++)
        flight->pages[i] = sim_page_new(bytes + i * SIM_PAGE);
    return flight;
}

struct flight *flight_find_locked(struct sim_disk *disk, uint64_t number)
{
    for (size_t i = 0; i < disk->flight_count; i++)
        if (disk->flights[i].number == number)
            return &disk->flights[i];
    return NULL;
}

static void flight_drop(struct flight *flight)
{
    for (uint64_t i = 0; i < flight->count; i++)
        sim_page_unref(flight->pages[i]);
    free(flight->pages);
}

void flight_remove_locked(struct sim_disk *disk, uint64_t number)
{
    struct flight *flight = flight_find_locked(disk, number);

    if (flight == NULL)
        return;
    flight_drop(flight);
    memmove(flight, flight + 1,
            (size_t)(&disk->flights[--disk->flight_count] - flight) * sizeof(*flight));
}

void flight_clear_locked(struct sim_disk *disk)
{
    while (disk->flight_count > 0)
        flight_drop(&disk->flights[--disk->flight_count]);
}
