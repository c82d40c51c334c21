/*
 * The simulated disk: the world behind io/io.h, in memory, for tests. It keeps apart what is
 * durable and what was only written, and can stop anywhere: a power cut, a killed process, a
 * failing disk, damaged bytes. One seed and one order of calls is one history.
 *
 *   struct sim_disk *disk = sim_disk_new(&(struct sim_options){.seed = 7, .journal_size = 1 <<
 * 20}); struct io *io = sim_disk_io(disk); sim_disk_cut_at(disk, 40, SIM_SOME);
 *   ... run a store on io until it fails, close it ...
 *   sim_disk_reboot(disk);
 *   ... open it again, look ...
 *
 * What a write is. While its request is under way the old and the new bytes are both possible. When
 * it is complete every read sees it (it is in the page cache), and it is *pending*: a power cut may
 * keep it or not. A sync makes durable what was complete before the call that carries it, in that
 * file; an IO_DURABLE write makes itself durable, and the pending writes to its blocks void. The
 * size of a file, after allocate, is pending in the same way.
 *
 * Events. Each read, write, sync, allocate, discard and stage_remove is one event, numbered from 1.
 * An event's number is taken, the hook is called, then a cut or a fault that is due happens, then
 * the request has its effect. The requests of one call of perform have their events in an order
 * that the seed decides; those whose event has not come are under way.
 *
 * Every way to cut everywhere: either run a history once for each event, with sim_disk_cut_at; or
 * run it once, and in the hook take a copy of the disk (cheap: nothing is copied but what changes
 * later), cut the copy, reboot it and look at it with a store of its own.
 *
 * What the store may not do ends the program with a message: unaligned requests, a write past the
 * end (allocate first), changing the buffer of a write that is under way.
 *
 * Threads: io from any thread. All functions here from one thread while no other uses the disk; in
 * the hook, and on copies, they are safe too. With several threads one seed is not one history.
 */
#ifndef SIM_SIM_DISK_H
#define SIM_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "io/io.h"

struct sim_disk;

struct sim_options {
    uint64_t seed;
    uint64_t journal_size; /* bytes */
    uint64_t device_size;  /* bytes of the extents when they are a device: nothing grows; 0: a file
                              that grows */
    uint64_t
        capacity; /* bytes that the extents may grow to before allocate says -ENOSPC; 0: 64 GiB */
    bool used_device; /* extents never written or discarded read as garbage, not as zeroes */
    bool stale_cache; /* after a failed sync the cache may go on to show what will never reach the
                         disk, also to the next process */
};

struct sim_disk *sim_disk_new(const struct sim_options *options);
void sim_disk_free(struct sim_disk *disk); /* takes NULL */
struct io *sim_disk_io(struct sim_disk *disk);

/* A copy of the whole state, with what is pending and under way and in stage memory, its chance
 * drawn from `seed`. It has no hook and no cut or fault to come. */
struct sim_disk *sim_disk_copy(struct sim_disk *disk, uint64_t seed);

/* A number for what is there after a power cut: the same for the same content and sizes. */
uint64_t sim_disk_fingerprint(struct sim_disk *disk);

/* Bytes of memory_allocate that were not freed: for tests of leaks, and of limits. */
uint64_t sim_disk_memory(struct sim_disk *disk);
void sim_disk_advance(struct sim_disk *disk, uint64_t nanoseconds);

/* --- events ------------------------------------------------------------------------------------
 */

enum sim_kind {
    SIM_READ = 1,
    SIM_WRITE = 2,
    SIM_SYNC = 4,
    SIM_ALLOCATE = 8,
    SIM_DISCARD = 16,
    SIM_STAGE = 32,  /* stage_remove */
    SIM_BESIDE = 64, /* sim_disk_event; in none of the sets below */
    SIM_CHANGES = SIM_WRITE | SIM_SYNC | SIM_ALLOCATE | SIM_DISCARD | SIM_STAGE,
    SIM_ANY = SIM_CHANGES | SIM_READ,
};

struct sim_event {
    uint64_t number;
    enum sim_kind kind;
    enum io_file file;
    uint64_t offset, length;
    unsigned flags; /* of the request */
};

uint64_t
sim_disk_events(const struct sim_disk *disk); /* the number of the last one, 0 before the first */

/* An event of something that shares this disk's power, such as SQLite's files (sim_vfs.h). 0, or
 * -EIO when the disk is dead, or dies now, or the -errno of a fault in SIM_BESIDE. */
int sim_disk_event(struct sim_disk *disk);

/* Called at each event, before its effect, without locks: the test may do I/O of its own, run other
 * steps of the store, copy the disk, cut it. NULL for none. */
typedef void (*sim_hook)(void *opaque, struct sim_disk *disk, const struct sim_event *event);
void sim_disk_set_hook(struct sim_disk *disk, sim_hook hook, void *opaque);

/* --- stopping ----------------------------------------------------------------------------------
 */

/* What becomes of the writes that need not survive. */
enum sim_outcome {
    SIM_NONE, /* none of them is there */
    SIM_ALL,  /* all of them are */
    SIM_SOME, /* any of them, in any order, single blocks of them, torn at 512 bytes with garbage
                 between */
};

/* From here on everything fails with -EIO, until sim_disk_reboot.
 *
 * Power: pending writes and those under way are the ones in doubt; stage memory is lost.
 * Kill: complete writes all stay, and stay pending; those under way are in doubt, by whole blocks;
 * stage memory is as it was at this moment, whatever the store that does not know it is dead does
 * to it later. */
void sim_disk_cut(struct sim_disk *disk, enum sim_outcome outcome);
void sim_disk_kill(struct sim_disk *disk, enum sim_outcome outcome);

/* The same when that event comes; its request has had no effect but is under way. 0 takes it back.
 */
void sim_disk_cut_at(struct sim_disk *disk, uint64_t event, enum sim_outcome outcome);
void sim_disk_kill_at(struct sim_disk *disk, uint64_t event, enum sim_outcome outcome);

bool sim_disk_is_dead(const struct sim_disk *disk);
bool sim_disk_lost_power(const struct sim_disk *disk); /* the last time it died */

/* Works again, without faults or cuts to come. Whoever used the disk before has been closed. Also
 * after a store was merely closed: then nothing is lost, as when a process ended by itself. */
void sim_disk_reboot(struct sim_disk *disk);

/* --- failing ------------------------------------------------------------------------------------
 */

struct sim_fault {
    unsigned kinds; /* of enum sim_kind: which events it counts */
    unsigned files; /* bits 1 << enum io_file; 0: all */
    uint64_t nth;   /* 1: the next such event */
    bool forever;   /* that one and all after it */
    int error;      /* EIO, ENOSPC, ... */
};

/* What fails has happened in part: a write may have changed some of its blocks; a failed sync made
 * some of what it covered durable, and no later sync makes the rest so. A failed read has filled
 * its buffer with garbage. At most 8 faults at once. */
void sim_disk_fail(struct sim_disk *disk, const struct sim_fault *fault);
/* memory_allocate returns NULL at that call, counted from the next, which is 1. */
void sim_disk_fail_memory(struct sim_disk *disk, uint64_t nth, bool forever);
void sim_disk_heal(struct sim_disk *disk); /* no faults any more; damage stays */
/* How many times a fault has struck, so that a test knows when there is nothing left to fail. */
uint64_t sim_disk_struck(const struct sim_disk *disk);

/* --- damage: in what is durable and in what is seen, past every cache
 * ----------------------------- */

void sim_damage_flip(struct sim_disk *disk, enum io_file file, uint64_t offset, unsigned char mask);
void sim_damage_zero(struct sim_disk *disk, enum io_file file, uint64_t offset); /* the block */
void sim_damage_swap(struct sim_disk *disk, enum io_file file, uint64_t one, uint64_t other);
/* The last write to the block was lost: it has the content before. False when it was written only
 * once or less. */
bool sim_damage_stale(struct sim_disk *disk, enum io_file file, uint64_t offset);
/* The last write to the block at `meant` went to `landed`; `meant` is as it was before. */
void sim_damage_misdirect(struct sim_disk *disk, enum io_file file, uint64_t meant,
                          uint64_t landed);
void sim_damage_truncate(struct sim_disk *disk, enum io_file file, uint64_t size);

/* Bytes as a read would see them, and put there: any range, no event. */
void sim_disk_peek(struct sim_disk *disk, enum io_file file, uint64_t offset, void *buffer,
                   size_t length);
void sim_disk_poke(struct sim_disk *disk, enum io_file file, uint64_t offset, const void *bytes,
                   size_t length);

#endif
