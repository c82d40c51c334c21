/*
 * What the files of the simulated disk share. Tests include sim_disk.h.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <pthread.h>

#include "chance.h"
#include "page_tree.h"
#include "sim_disk.h"

enum { FAULTS = 8 };

struct sim_file {
    struct page_tree current;  /* what a read sees */
    struct page_tree durable;  /* what is there after a power cut that keeps nothing */
    struct page_tree previous; /* of each block the content before the last write, for damage */
    uint64_t size, durable_size;
};

/* One block that was written, or discarded, and is not durable. In the order of completion. */
struct pending {
    enum io_file file;
    uint64_t block;
    struct sim_page *page; /* NULL: blank */
    uint64_t sequence;     /* of its completion; see sim_disk.sequence */
    bool doomed;           /* a sync failed on it: no later one makes it durable */
};

/* A write of a call of perform whose event has not come. The pages are copies of the buffer. */
struct flight {
    uint64_t number;
    enum io_file file;
    unsigned flags;
    uint64_t block, count;
    struct sim_page **pages;
};

struct stage_memory {
    size_t length;
    struct page_tree pages;
    bool there;
};

struct stop {
    uint64_t event; /* 0: none to come */
    bool power;
    enum sim_outcome outcome;
};

struct sim_disk {
    struct io io; /* first */
    struct sim_options options;
    pthread_mutex_t mutex; /* all below; not held while the hook runs */
    struct chance chance;  /* what happens */
    struct chance drawn;   /* what io random gives */
    uint64_t clock;
    struct sim_file file[IO_FILES];
    struct sim_page
        *blank; /* what a block of the extents that was never written reads as; NULL: zeroes */
    struct pending *pending;
    size_t pending_count, pending_room;
    struct flight *flights;
    size_t flight_count, flight_room;
    uint64_t sequence;    /* of the last completed write */
    uint64_t last_flight; /* number */
    uint64_t events;
    bool doomed; /* a sync has failed */
    bool dead, lost_power;
    struct stop stop;
    sim_hook hook;
    void *hook_opaque;
    struct sim_fault faults[FAULTS];
    uint64_t struck;
    uint64_t memory_fails; /* calls until memory_allocate fails; 0: it does not */
    bool memory_fails_forever;
    uint64_t memory; /* bytes */
    unsigned char *stage;
    size_t stage_length;
    bool stage_named;         /* not removed: a process that comes later finds it */
    struct stage_memory kept; /* what it finds */
};

static inline struct sim_disk *sim_disk_of(struct io *io)
{
    return (struct sim_disk *)io;
}

extern const struct io_ops sim_operations;

/* sim_memory.c */
void *sim_must(void *memory);
/* Zero-filled and aligned; `length` is a multiple of 4096. */
void *sim_zeroed(size_t length);
void sim_zeroed_free(void *memory, size_t length); /* takes NULL */
/* For each page whether it may hold anything but zeroes (bit 0); the caller frees it. */
unsigned char *sim_touched(void *memory, size_t length);

/* sim_event.c: takes a number, calls the hook, lets what is due happen. Returns 0 or the -errno
 * that the request fails with. With the mutex held, which it drops for the hook. */
int sim_event_locked(struct sim_disk *disk, struct sim_event *event);

/* sim_pending.c */
void pending_add_locked(struct sim_disk *disk, enum io_file file, uint64_t block,
                        struct sim_page *page);
/* What is not durable of that block never will be: something newer is. */
void pending_void_locked(struct sim_disk *disk, enum io_file file, uint64_t block);
/* Makes durable what completed up to that sequence; a failed sync does so with a part and dooms the
 * rest. */
void pending_sync_locked(struct sim_disk *disk, enum io_file file, uint64_t sequence, bool failed);
void pending_clear_locked(struct sim_disk *disk);
struct flight *flight_add_locked(struct sim_disk *disk, const struct io_request *request);
struct flight *flight_find_locked(struct sim_disk *disk,
                                  uint64_t number); /* NULL when a cut took it */
void flight_remove_locked(struct sim_disk *disk, uint64_t number);
void flight_clear_locked(struct sim_disk *disk);

/* sim_stop.c */
void stop_locked(struct sim_disk *disk, const struct stop *stop);
void sim_stage_save_locked(struct sim_disk *disk);

/* sim_perform.c */
int sim_perform(struct io *io, struct io_request *requests, size_t count);

#endif
