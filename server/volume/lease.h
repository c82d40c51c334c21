/*
 * Attached images, the connections that hold them, and who of them may write.
 *
 * An attachment is an image that at least one connection has open; a seat is one connection's place
 * at it. The write lease of an attachment belongs to a client, that is to all seats with that
 * client's name:
 *
 *     free --first write of a client (lease_enter)--> held --its last seat leaves (seat_leave)-->
 * free
 *                                                      |
 *                                                      +--lease_release: its seats are fenced-->
 * free
 *
 * Being granted is remembered in the seat as the attachment's epoch. The epoch moves whenever a
 * grant may have become void, so that a write needs no lock: it announces itself in `writing`, and
 * then compares two numbers. Whoever moves the epoch and has to know that no older write is still
 * under way, moves it first and then waits for `writing` to become zero. Both sides are
 * sequentially consistent, so one of the two sees the other.
 *
 * A grant is recorded before the first write (lease_record): a client whose connections are all
 * gone is no holder any more, also because a server that starts knows of none; and when it comes
 * back, it has to be told whether others wrote meanwhile.
 *
 * A fenced seat stays fenced: its connection may have writes in its pipe that were decided on
 * before. A new connection of that client is not fenced.
 *
 * Threads: any, at once; one mutex for each table, taken by no write that holds a valid grant.
 * Callers may hold their own locks; the table's is the last before the store's. Of lease_enter
 * callers hold none: it may record.
 */
#ifndef VOLUME_LEASE_H
#define VOLUME_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct attachment_table;
struct attachment;

struct seat {
    struct attachment *attachment;
    struct store_image *image; /* open as long as the seat is taken */
    struct seat *next;
    char *client;
    bool fenced;              /* under the table's lock */
    _Atomic uint64_t granted; /* the epoch in which this seat may write; 0: not granted yet */
    _Atomic unsigned writing; /* writes of this seat under way */
};

/* Called without the table's lock, by the client's thread, and takes the lock of the names. What
 * cannot be recorded is granted all the same: a full disk under the catalog must not keep a client
 * from trimming. */
typedef void (*lease_record)(void *opaque, uint64_t image, const char *client);

/* Whether the client has ended, so that its seats leave any moment. Called with the table's lock.
 */
typedef bool (*client_ended)(const char *client);

int attachment_table_new(struct store *store, lease_record record, void *opaque,
                         struct attachment_table **ret_table);
/* No seat is taken any more. Takes NULL. */
void attachment_table_free(struct attachment_table *table);

/* From now on those that have ended are waited for, a few seconds at most, where they would be the
 * reason to refuse something: by lease_is_open_to and attendance_settle. `ended` may be NULL. */
void attachment_table_await(struct attachment_table *table, client_ended ended);

/* Takes a seat at the image; `name` is for messages. One call at a time (the caller's lock), so
 * that an image is opened once. */
int seat_take(struct attachment_table *table, uint64_t image, const char *name, bool shared,
              const char *client, struct seat *seat);
void seat_leave(struct attachment_table *table, struct seat *seat);

/* Around each write. lease_enter: 0, or -EPERM with a line; only after 0 lease_leave must follow.
 */
int lease_enter(struct attachment_table *table, struct seat *seat);
void lease_leave(struct attachment_table *table, struct seat *seat);

/* Whether lease_enter would succeed now, or when a holder that has ended has left. */
bool lease_is_open_to(struct attachment_table *table, const struct seat *seat);

/* Who is at an image. Names are cut to their size. */
struct attendance {
    unsigned seats;
    unsigned clients; /* with different names */
    char writer[160];
    char client[160]; /* one of them */
};
void attendance_of(struct attachment_table *table, uint64_t image,
                   struct attendance *ret_attendance);
/* Before a refusal because of those that are there: see attachment_table_await. */
void attendance_settle(struct attachment_table *table, uint64_t image);

/* Fences the holder's seats, waits for their writes that are under way, and frees the lease.
 * `ret_holder` gets the name,
 * "" when nobody held it. */
void lease_release(struct attachment_table *table, uint64_t image, char ret_holder[160]);

/* Deletes the image when its last seat leaves; false when nobody is at it. Callers see to it that
 * no seat is taken any more. */
bool attachment_doom(struct attachment_table *table, uint64_t image);

/* For an image that is attached, or not: then nothing happens. */
void attachment_set_shared(struct attachment_table *table, uint64_t image, bool shared);
void attachment_set_name(struct attachment_table *table, uint64_t image, const char *name);

#endif
