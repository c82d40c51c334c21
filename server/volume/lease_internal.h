/* The inside of attachments and leases; only for attachment.c and lease.c. */
#ifndef VOLUME_LEASE_INTERNAL_H
#define VOLUME_LEASE_INTERNAL_H

#include <pthread.h>
#include <varve/volume.h>

#include "volume/lease.h"

struct attachment {
    struct attachment *next;
    uint64_t number; /* of the image */
    struct store_image *image;
    struct seat *seats;
    unsigned pins;               /* calls that wait and look at it again afterwards */
    char name[VARVE_HOLDER_MAX]; /* ref, for messages */
    bool shared;
    bool doomed;            /* the image goes with the last seat */
    char *writer;           /* the client that holds the lease, or NULL */
    _Atomic uint64_t epoch; /* from 1; see lease.h */
    _Atomic bool draining;  /* lease_release waits for writes; nothing is granted meanwhile */
    bool recording;         /* a grant is being recorded; nothing else is granted meanwhile */
    pthread_cond_t drained; /* a seat's `writing` became zero, or draining or recording ended */
};

struct attachment_table {
    struct store *store;
    pthread_mutex_t lock;
    struct attachment *first;
    lease_record record;
    void *opaque;
    client_ended ended; /* or NULL */
};

void attachments_lock(struct attachment_table *table);
void attachments_unlock(struct attachment_table *table);
struct attachment *attachment_find_locked(struct attachment_table *table, uint64_t image);
/* Closes and frees it when neither a seat nor a pin holds it. */
void attachment_drop_locked(struct attachment_table *table, struct attachment *attachment);
/* Whether the client has ended: false when nobody can tell. */
bool client_has_ended_locked(const struct attachment_table *table, const char *client);
/* Gives the lock away for a moment. False, at once, when that was often enough; *looks counts, from
 * 0. */
bool attachments_look_again_locked(struct attachment_table *table, unsigned *looks);
/* Ends the lease, if there is one. */
void lease_end_locked(struct attachment *attachment);

#endif
