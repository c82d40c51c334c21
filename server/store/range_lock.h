/*
 * Range locks of one image: a write holds its blocks alone, reads share theirs. They keep a block
 * that was looked up in use until the reader is done, and make read-patch-write of a block's edge
 * safe.
 *
 * Locking: the store's mutex; waiting lets it go. A thread holds at most one range at a time.
 */
#ifndef STORE_RANGE_LOCK_H
#define STORE_RANGE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A held range; lives on the stack of its holder. */
struct range {
    uint64_t start, end; /* blocks, end excluded */
    bool alone;
    bool moves; /* alone, but changes no content: a clone may overtake it */
    struct range *next;
};

struct range_locks {
    struct range *held;
    bool closed; /* to those that want to be alone */
    unsigned pauses;
};

/* Waits on `changed` until no held range conflicts. */
void range_lock(struct range_locks *locks, struct range *range, pthread_mutex_t *mutex,
                pthread_cond_t *changed);
void range_unlock(struct range_locks *locks, struct range *range, pthread_cond_t *changed);

/* Waits until no range is held alone; none is given out alone until range_reopen. Ranges that are
 * shared come and go. */
void range_close(struct range_locks *locks, pthread_mutex_t *mutex, pthread_cond_t *changed);
void range_reopen(struct range_locks *locks, pthread_cond_t *changed);

/* The same, but for moves, without keeping others of its kind out: range_pause, for each of several
 * images, before range_wait for each. */
void range_pause(struct range_locks *locks);
void range_wait(const struct range_locks *locks, pthread_mutex_t *mutex, pthread_cond_t *changed);
void range_resume(struct range_locks *locks, pthread_cond_t *changed);

#endif
