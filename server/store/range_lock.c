#include "store/range_lock.h"

#include <assert.h>
#include <stddef.h>

static bool conflicts(const struct range_locks *locks, const struct range *range)
{
    for (const struct range *held = locks->held; held != NULL; held = held->next) {
        if (held->start < range->end && range->start < held->end && (held->alone || range->alone)) {
            return true;
        }
    }
    return false;
}

void range_lock(struct range_locks *locks, struct range *range, pthread_mutex_t *mutex,
                pthread_cond_t *changed)
{
    while (conflicts(locks, range) || ((locks->closed || locks->pauses > 0) && range->alone)) {
        pthread_cond_wait(changed, mutex);
    }
    range->next = locks->held;
    locks->held = range;
}

void range_unlock(struct range_locks *locks, struct range *range, pthread_cond_t *changed)
{
    struct range **at = &locks->held;

    while (*at != range) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = range->next;
    /* costs no system call when nobody waits */
    pthread_cond_broadcast(changed);
}

static bool any_alone(const struct range_locks *locks, bool moves)
{
    for (const struct range *held = locks->held; held != NULL; held = held->next) {
        if (held->alone && (moves || !held->moves)) {
            return true;
        }
    }
    return false;
}

void range_close(struct range_locks *locks, pthread_mutex_t *mutex, pthread_cond_t *changed)
{
    while (locks->closed) {
        pthread_cond_wait(changed, mutex);
    }
    locks->closed = true;
    while (any_alone(locks, true)) {
        pthread_cond_wait(changed, mutex);
    }
}

void range_reopen(struct range_locks *locks, pthread_cond_t *changed)
{
    locks->closed = false;
    pthread_cond_broadcast(changed);
}

void range_pause(struct range_locks *locks)
{
    locks->pauses++;
}

void range_wait(const struct range_locks *locks, pthread_mutex_t *mutex, pthread_cond_t *changed)
{
    while (any_alone(locks, false)) {
        pthread_cond_wait(changed, mutex);
    }
}

void range_resume(struct range_locks *locks, pthread_cond_t *changed)
{
    if (--locks->pauses == 0) {
        pthread_cond_broadcast(changed);
    }
}
