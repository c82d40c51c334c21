/* The thread that runs the schedules of a served store. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

#include "volume/schedule.h"

/* Seconds. It looks at the clock this often, which may jump; and tries again what failed. */
enum { LOOK_EVERY = 20, STACK_BYTES = 512 << 10 };

struct schedule_thread {
    struct varve *varve;
    pthread_mutex_t lock;
    pthread_cond_t change; /* of the next two; measured by the monotonic clock */
    bool stopping, woken;
    pthread_t thread;
    bool complained; /* one note for each row of failures */
};

static void wait_locked(struct schedule_thread *self, int64_t seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    while (!self->stopping && !self->woken)
        if (pthread_cond_timedwait(&self->change, &self->lock, &until) == ETIMEDOUT)
            break;
    self->woken = false;
}

static int64_t run(struct schedule_thread *self)
{
    int64_t now = (int64_t)time(NULL), next;
    int r;

    varve_error_clear();
    r = schedules_run(self->varve, now, &next);
    if (r != 0 && !self->complained)
        note(self->varve, "a snapshot could not be taken: %s",
             varve_error()[0] != '\0' ? varve_error() : strerror(-r));
    self->complained = r != 0;
    now = (int64_t)time(NULL);
    if (next <= now)
        return r == 0 ? 0 : 1;
    return next - now < LOOK_EVERY ? next - now : LOOK_EVERY;
}

static void *work(void *opaque)
{
    struct schedule_thread *self = opaque;

    pthread_setname_np(pthread_self(), "varve-schedule");
    varve_set_actor("schedule");
    pthread_mutex_lock(&self->lock);
    while (!self->stopping) {
        int64_t seconds;

        pthread_mutex_unlock(&self->lock);
        seconds = run(self);
        pthread_mutex_lock(&self->lock);
        wait_locked(self, seconds);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void free_thread(struct schedule_thread *self)
{
    pthread_cond_destroy(&self->change);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* Signals are for the threads of the program, not for this one. */
static int start(struct schedule_thread *self)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int errnum;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errnum = pthread_create(&self->thread, &attributes, work, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return errnum;
}

int schedule_thread_start(struct varve *varve, struct schedule_thread **ret_thread)
{
    struct schedule_thread *self = calloc(1, sizeof *self);
    pthread_condattr_t monotonic;
    int errnum;

    if (self == NULL)
        return varve_no_memory("the thread of the schedules");
    self->varve = varve;
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&self->change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    errnum = start(self);
    if (errnum != 0) {
        free_thread(self);
        return varve_fail(errnum, "cannot start the thread of the schedules: %s", strerror(errnum));
    }
    *ret_thread = self;
    return 0;
}

void schedule_thread_stop(struct schedule_thread *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->change);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    free_thread(self);
}

void schedule_thread_wake(struct schedule_thread *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->woken = true;
    pthread_cond_broadcast(&self->change);
    pthread_mutex_unlock(&self->lock);
}
