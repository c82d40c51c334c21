/*
 * The threads around the store. Each owns some kinds of work and does them in turn, one bounded
 * step at a time, until none has more to do; then it waits for the first of its kinds. The others
 * of its kinds follow from that one (reclaim makes space to hand back), or wait for the next turn,
 * IDLE later at most.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "volume/served_store.h"

enum { WORKERS = 4, KINDS_MAX = 2, STACK_BYTES = 512 << 10 };
#define IDLE  ((uint64_t)1000 * 1000 * 1000) /* nanoseconds */
#define PAUSE ((uint64_t)100 * 1000 * 1000)  /* after a step that failed */

static const struct {
    const char *name; /* of the thread: at most 15 bytes */
    unsigned count;
    enum store_work kinds[KINDS_MAX];
} duties[WORKERS] = {
    {"varve-write", 1, {STORE_WRITE_OUT}},
    {"varve-commit", 1, {STORE_COMMIT}}, /* not behind a checkpoint: once a second */
    {"varve-ckpt", 1, {STORE_CHECKPOINT}},
    {"varve-reclaim", 2, {STORE_RECLAIM, STORE_DISCARD}},
};

struct worker {
    struct background *background;
    unsigned duty;
    pthread_t thread;
    bool complained; /* one note for each row of failures */
};

struct background {
    struct varve *varve;
    atomic_bool stopping;
    pthread_mutex_t lock; /* for the pause */
    pthread_cond_t stop;
    unsigned started;
    struct worker workers[WORKERS];
};

/* A failed store, a full or a broken disk: the clients hear of it from their own requests. */
static void pause_after(struct worker *worker, int r)
{
    struct background *background = worker->background;
    struct timespec until;

    if (!worker->complained)
        note(background->varve, "background work (%s) failed: %s%s%s", duties[worker->duty].name,
             strerror(-r), varve_error()[0] == '\0' ? "" : ": ", varve_error());
    worker->complained = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)PAUSE;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&background->lock);
    if (!atomic_load(&background->stopping))
        pthread_cond_timedwait(&background->stop, &background->lock, &until);
    pthread_mutex_unlock(&background->lock);
}

/* One step of each kind. True when there may be more. */
static bool turn(struct worker *worker)
{
    struct store *store = worker->background->varve->store;
    bool more = false, failed = false;

    for (unsigned i = 0; i < duties[worker->duty].count; i++) {
        int r;

        varve_error_clear();
        r = store_step(store, duties[worker->duty].kinds[i]);
        more = more || r > 0;
        if (r < 0) {
            failed = true;
            pause_after(worker, r);
        }
    }
    worker->complained = worker->complained && failed;
    return more;
}

static void *work(void *opaque)
{
    struct worker *worker = opaque;
    struct background *background = worker->background;

    pthread_setname_np(pthread_self(), duties[worker->duty].name);
    while (!atomic_load(&background->stopping))
        if (!turn(worker) && !atomic_load(&background->stopping))
            store_wait(background->varve->store, duties[worker->duty].kinds[0], IDLE);
    return NULL;
}

/* Signals are for the threads of the program, not for these. */
static int start_workers(struct background *background)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int errnum = 0;

    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; errnum == 0 && i < WORKERS; i++) {
        background->workers[i] = (struct worker){.background = background, .duty = i};
        errnum = pthread_create(&background->workers[i].thread, &attributes, work,
                                &background->workers[i]);
        background->started += errnum == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return errnum == 0 ? 0
                       : varve_fail(errnum, "cannot start the store's background threads: %s",
                                    strerror(errnum));
}

int background_start(struct varve *varve, struct background **ret_background)
{
    struct background *background = calloc(1, sizeof *background);
    int r;

    if (background == NULL)
        return varve_fail(ENOMEM, "no memory for the store's background threads");
    background->varve = varve;
    atomic_init(&background->stopping, false);
    pthread_mutex_init(&background->lock, NULL);
    pthread_cond_init(&background->stop, NULL);
    r = start_workers(background);
    if (r != 0) {
        background_stop(varve, background);
        return r;
    }
    *ret_background = background;
    return 0;
}

void background_stop(struct varve *varve, struct background *background)
{
    if (background == NULL)
        return;
    pthread_mutex_lock(&background->lock);
    atomic_store(&background->stopping, true);
    pthread_cond_broadcast(&background->stop);
    pthread_mutex_unlock(&background->lock);
    store_wake_all(varve->store);
    for (unsigned i = 0; i < background->started; i++)
        pthread_join(background->workers[i].thread, NULL);
    pthread_cond_destroy(&background->stop);
    pthread_mutex_destroy(&background->lock);
    free(background);
}
