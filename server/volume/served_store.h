/*
 * An opened store as the files of this folder see it: struct varve of the public headers.
 *
 * Lock order: names, then the attachment table's, then the store's own.
 *
 *   names   everything that reads or changes the catalog, and opening an export, which must not
 * meet a volume that is just being deleted or shrunk. Held across I/O; never taken by a read, write
 * or flush, but for the first write of a client (lease.h).
 */
#ifndef VOLUME_SERVED_STORE_H
#define VOLUME_SERVED_STORE_H

#include <pthread.h>
#include <stdbool.h>
#include <varve/server.h>
#include <varve/volume.h>

#include "catalog/catalog.h"
#include "io/io.h"
#include "store/store.h"
#include "volume/lease.h"

struct background;
struct catalog_copy;
struct schedule_thread;
struct schedule_failure;
struct notes;
struct scrubber;

/* The change of the store whose line of the history is not final (announce.h). */
struct announced_change {
    int64_t event;
    enum { CHANGE_NONE, CHANGE_UNKNOWN, CHANGE_MADE, CHANGE_NOT_MADE } fate;
};

struct varve {
    char *directory; /* absolute */
    char *catalog_path;
    bool read_only;
    struct io *io;
    struct store *store;
    struct attachment_table *attachments;
    struct notes *notes;
    struct background *background; /* NULL until varve_start; so is the next */
    struct schedule_thread *schedules;
    struct schedule_failure *schedule_failures; /* under names */
    uint64_t scrub_rate;
    struct scrubber *scrubber; /* NULL: none */
    pthread_mutex_t names;
    struct catalog_copy *copy;         /* under names */
    struct catalog *catalog;           /* under names; see names_enter */
    struct announced_change announced; /* under names */
};

/* Takes the names lock and sees to it that the catalog is open. It is opened by the first call
 * after varve_open and not kept from there on: between the two nbdkit forks, and an SQLite handle
 * does not survive that. Only after 0 names_leave must follow; it brings the copy of the catalog in
 * the store up to date, if something was changed. */
int names_enter(struct varve *varve, struct catalog **ret_catalog);
void names_leave(struct varve *varve);
/* 0, or -EROFS when the store was opened read-only. */
int changes_are_allowed(const struct varve *varve);
/* Both, in the other order: how a change of the catalog begins. */
int names_enter_to_change(struct varve *varve, struct catalog **ret_catalog);

/* A row and what the store knows of it. Expects the names lock. A missing image is no failure:
 * *ret_volume says that it is damaged. */
int volume_stat_locked(struct varve *varve, const struct catalog_volume *row,
                       struct varve_volume *ret_volume);

/* Makes store and catalog agree, at opening: finishes or undoes what a crash left between them,
 * rebuilds a lost catalog. Opens the catalog itself and leaves it open only when it is in memory.
 */
int reconcile(struct varve *varve);

int notes_new(struct notes **ret_notes);
void notes_free(struct notes *notes); /* takes NULL */
/* Kept for varve_notes; after the first hundred, silence. */
void note(struct varve *varve, const char *format, ...) __attribute__((format(printf, 2, 3)));

int background_start(struct varve *varve, struct background **ret_background);
void background_stop(struct varve *varve, struct background *background); /* takes NULL */

#endif
