#include "gate.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static bool let_go; /* under the lock */

/* A request announces itself and then looks at `closed`; the stop sets `closed` and then looks at
 * the requests. Both are sequentially consistent: one of the two sees the other. */
static atomic_uint under_way;
static atomic_bool closed;

static void wait_in_gate(void)
{
    pthread_mutex_lock(&lock);
    while (!let_go) {
        pthread_cond_wait(&change, &lock);
    }
    pthread_mutex_unlock(&lock);
}

bool gate_enter(void)
{
    atomic_fetch_add(&under_way, 1);
    if (!atomic_load(&closed)) {
        return true;
    }
    atomic_fetch_sub(&under_way, 1);
    wait_in_gate();
    return false;
}

void gate_leave(void)
{
    atomic_fetch_sub(&under_way, 1);
}

bool gate_is_closed(void)
{
    return atomic_load(&closed);
}

void gate_close(void)
{
    atomic_store(&closed, true);
}

bool gate_is_busy(void)
{
    return atomic_load(&under_way) > 0;
}

void gate_let_go(void)
{
    pthread_mutex_lock(&lock);
    let_go = true;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}
