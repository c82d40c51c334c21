/*
 * One opened store with its catalog and the threads that work in its background: the door that
 * the plugin, the control door and the command go through. Two uses:
 *
 *   a server:   varve_open · (nbdkit forks) · varve_start · serve … · varve_close
 *   a command:  varve_open · one or more calls of volume.h · varve_close
 *
 * Exactly one process holds a store: varve_open refuses a store that is held (EBUSY) unless it is
 * asked only to read while nobody holds it. Opening after any death is the same code as opening
 * after a clean stop.
 *
 * What will hurt: a handle must not be used across fork() once varve_start ran, and between
 * varve_open and the fork only varve_notes may be called; all functions but
 * varve_open, varve_start and varve_close may be called from any number of threads at once.
 */
#ifndef VARVE_SERVER_H
#define VARVE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

struct varve;

struct varve_init_options {
    uint64_t limit;        /* bytes that the store may grow to; 0: four times the free space of the
                              file system, or the device's size */
    uint64_t journal_size; /* bytes; 0: the default (64 MiB, less in a small store) */
    const char *device; /* block device that holds the extents, or NULL for a file in the store */
    bool force;         /* take a device on which libblkid finds something */
};

/* Makes a store in `dir`, which must not exist or be an empty directory. Nothing is left behind on
 * failure. */
int varve_init(const char *dir, const struct varve_init_options *options);

enum varve_open_flags {
    VARVE_OPEN_READ_ONLY = 1, /* writes nothing, not even what recovery finds; replays in memory */
};

struct varve_tuning {
    uint64_t cache_bytes; /* memory for map pages and counts; 0: default 128 MiB */
    uint64_t scrub_rate;  /* bytes a second that the background scrub reads; 0: there is none */
    bool buffered_io;     /* write extents through the page cache instead of past it */
    bool serial;          /* a client's next request is received only when the one before it is
                             answered: answer a large write as soon as it is safe, and write it out
                             meanwhile, at the cost of one more copy */
    /* Whether the client of that name (varve_export_open) has gone, so that its exports are
     * closed any moment: what would be refused because of it waits for that, 5 seconds at most. May
     * be NULL. Called with locks held: it calls nothing of this library. */
    bool (*client_ended)(const char *client);
};

/* Opens, locks and recovers. `tuning` may be NULL. On EBUSY the message names the process that
 * holds the store. */
int varve_open(const char *dir, unsigned flags, const struct varve_tuning *tuning,
               struct varve **ret_varve);

/* Starts the background threads. Call it after the process forked for the last time. Without it
 * everything works too, with the work done by the callers. */
int varve_start(struct varve *varve);

/* Counts down what deletes and trims left, for so long at most: for a command, which has no thread
 * that does it. What is left then stays for later. A failure is none of the caller's: what failed
 * says so when the store is closed. */
void varve_reclaim(struct varve *varve, unsigned milliseconds);

/* Stops the threads, flushes, writes a checkpoint, unlocks and frees. Takes NULL. Returns what the
 * last flush said. */
int varve_close(struct varve *varve);

/* What opening found and set right, and what the background ran into: one line each, oldest first,
 * for the log or for stderr (a catalog rebuilt from the store, a volume whose image is missing,
 * ...). Lines that do not concern the user's eyes are not there: print them all. */
typedef void (*varve_note_visit)(void *opaque, const char *line);
void varve_notes(struct varve *varve, varve_note_visit visit, void *opaque);

/* Makes everything answered so far durable, on all exports. */
int varve_sync(struct varve *varve);

/* Names the user for whom this thread calls from now on: the history of changes keeps it with each
 * change. Cut to VARVE_ACTOR_MAX bytes. A thread that never says is the user of the process. */
enum { VARVE_ACTOR_MAX = 63 };
void varve_set_actor(const char *who);
const char *varve_actor(void);

const char *varve_directory(const struct varve *varve);

/* Counters and gauges. All byte counts are multiples of 4096 unless they count client I/O. */
struct varve_stats {
    uint64_t limit_bytes;    /* what the store may grow to */
    uint64_t file_bytes;     /* what it has grown to */
    uint64_t logical_bytes;  /* sum of the sizes of all volumes */
    uint64_t mapped_bytes;   /* sum over all images of the bytes they map: shared bytes counted each
                                time */
    uint64_t used_bytes;     /* space in use on the device: data and metadata */
    uint64_t free_bytes;     /* can be written now */
    uint64_t held_bytes;     /* freed, waiting for a checkpoint or for reclaim */
    uint64_t reserve_bytes;  /* kept back so that deletes, flushes and overwrites always work */
    uint64_t metadata_bytes; /* part of used: map pages and tables */
    uint64_t
        catalog_bytes; /* part of used: the copies of the catalog, which grow with its history */
    uint64_t reads, read_bytes, writes, write_bytes, flushes, trims, trim_bytes;
    uint64_t device_write_bytes; /* bytes written below: data, journal, checkpoints */
    uint64_t journal_bytes, journal_used_bytes; /* size of the ring, and how full it is */
    uint64_t commits;                           /* group commits so far */
    uint64_t checkpoints;                       /* since the store was made */
    double checkpoint_age;    /* seconds since the last one; negative: none since the opening */
    uint64_t dirty_bytes;     /* map pages and counts that the next checkpoint writes */
    uint64_t reclaim_pending; /* subtrees that wait to be reclaimed */
    uint64_t checksum_errors; /* blocks found damaged since the store was opened */
    uint64_t cache_bytes;     /* memory in use for map pages and counts */
    bool failed;              /* refuses writes after a failed sync, until it is opened again */
};
void varve_get_stats(struct varve *varve, struct varve_stats *ret_stats);

enum varve_check_flags {
    VARVE_CHECK_DATA = 1, /* read all data as well */
};
struct varve_check_result {
    uint64_t images, map_pages, data_blocks; /* what was visited, shared ones once */
    uint64_t problems;
};
/* Called for each problem, with one line. */
typedef void (*varve_check_report)(void *opaque, const char *line);

/* Recounts all references by a walk of its own and verifies every checksum. Changes nothing. Works
 * on an open store at one point in time: writes wait at a checkpoint's start only.
 * Returns 0 when the check ran to its end (see problems), or a negative errno: -ECANCELED when
 * varve_progress said so. */
int varve_check(struct varve *varve, unsigned flags, varve_check_report report, void *opaque,
                struct varve_check_result *ret_result);

#endif
