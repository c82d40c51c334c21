/* One thread that sleeps until the next deadline. */
#include "control/door_deadline.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <varve/error.h>

struct door_deadline {
    struct door_deadline *next;
    int fd;
    time_t due; /* monotonic seconds; 0: none */
};

struct door_deadlines {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct door_deadline *first;
    bool stop;
    pthread_t thread;
};

static time_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Shuts down what is overdue and returns when the next one is due, or 0. */
static time_t sweep_locked(struct door_deadlines *deadlines)
{
    time_t now = seconds_now(), next = 0;
    for (struct door_deadline *d = deadlines->first; d != NULL; d = d->next) {
        if (d->due != 0 && d->due <= now) {
            shutdown(d->fd, SHUT_RDWR);
            d->due = 0;
        }
        if (d->due != 0 && (next == 0 || d->due < next))
            next = d->due;
    }
    return next;
}

static void *watch(void *opaque)
{
    struct door_deadlines *deadlines = opaque;
    pthread_mutex_lock(&deadlines->lock);
    while (!deadlines->stop) {
        struct timespec until = {.tv_sec = sweep_locked(deadlines)};
        if (until.tv_sec == 0)
            pthread_cond_wait(&deadlines->changed, &deadlines->lock);
        else
            pthread_cond_timedwait(&deadlines->changed, &deadlines->lock, &until);
    }
    pthread_mutex_unlock(&deadlines->lock);
    return NULL;
}

int door_deadlines_start(struct door_deadlines **ret_deadlines)
{
    struct door_deadlines *deadlines = calloc(1, sizeof *deadlines);
    if (deadlines == NULL)
        return varve_fail(ENOMEM, "no memory for the control door");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&deadlines->lock, NULL);
    pthread_cond_init(&deadlines->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int error = pthread_create(&deadlines->thread, NULL, watch, deadlines);
    if (error != 0) {
        pthread_cond_destroy(&deadlines->changed);
        pthread_mutex_destroy(&deadlines->lock);
        free(deadlines);
        return varve_fail(error, "cannot start a thread for the control door");
    }
    *ret_deadlines = deadlines;
    return 0;
}

void door_deadlines_stop(struct door_deadlines *deadlines)
{
    if (deadlines == NULL)
        return;
    pthread_mutex_lock(&deadlines->lock);
    deadlines->stop = true;
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
    pthread_join(deadlines->thread, NULL);
    pthread_cond_destroy(&deadlines->changed);
    pthread_mutex_destroy(&deadlines->lock);
    free(deadlines);
}

struct door_deadline *door_deadline_add(struct door_deadlines *deadlines, int fd)
{
    struct door_deadline *added = calloc(1, sizeof *added);
    if (added == NULL)
        return NULL;
    added->fd = fd;
    pthread_mutex_lock(&deadlines->lock);
    added->next = deadlines->first;
    deadlines->first = added;
    pthread_mutex_unlock(&deadlines->lock);
    return added;
}

void door_deadline_set(struct door_deadlines *deadlines, struct door_deadline *deadline,
                       unsigned seconds)
{
    pthread_mutex_lock(&deadlines->lock);
    deadline->due = seconds == 0 ? 0 : seconds_now() + (time_t)seconds;
    pthread_cond_signal(&deadlines->changed);
    pthread_mutex_unlock(&deadlines->lock);
}

void door_deadline_remove(struct door_deadlines *deadlines, struct door_deadline *deadline)
{
    pthread_mutex_lock(&deadlines->lock);
    struct door_deadline **at = &deadlines->first;
    while (*at != deadline)
        at = &(*at)->next;
    *at = deadline->next;
    pthread_mutex_unlock(&deadlines->lock);
    free(deadline);
}
