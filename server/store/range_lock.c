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
    while (conflicts(locks, range)) {
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
