/*
 * The scrub of a server: a thread that makes a pass at the rate that was asked for, and begins the
 * next one a day after this one began. Each damaged block is a note once, however many passes find
 * it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>
#include <varve/scrub.h>

#include "volume/scrub_store.h"

#define SECOND ((uint64_t)1000 * 1000 * 1000)
#define DAY    ((uint64_t)24 * 3600 * SECOND)
enum { NOTED_MAX = 1000, STACK_BYTES = 512 << 10, WAIT_MAX = 3600 };

struct scrubber {
    struct varve *varve;
    struct store_scrub *scrub;
    struct scrub_pace pace;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool started, stopping;    /* under lock */
    int64_t finished;          /* under lock: seconds since 1970; 0: no pass yet */
    uint64_t finished_damaged; /* under lock: of that pass */
    uint64_t noted[NOTED_MAX]; /* blocks that a note was made of; the thread's */
    size_t noted_count;
};

static void tell_once(void *opaque, const struct store_damage *damage)
{
    struct scrubber *scrubber = opaque;
    char text[VARVE_SCRUB_LINE_MAX];

    for (size_t i = 0; i < scrubber->noted_count; i++)
        if (scrubber->noted[i] == damage->block)
            return;
    if (scrubber->noted_count == NOTED_MAX)
        return;
    scrubber->noted[scrubber->noted_count++] = damage->block;
    scrub_describe(scrubber->varve, damage, text);
    note(scrubber->varve, "scrub: %s", text);
}

/* False: it is to stop. */
static bool sleep_for(struct scrubber *scrubber, uint64_t nanoseconds)
{
    struct timespec until;
    bool goes_on;

    clock_gettime(CLOCK_REALTIME, &until);
    /* the clock may be set: no single sleep is long */
    until.tv_sec += (time_t)(nanoseconds / SECOND > WAIT_MAX ? WAIT_MAX : nanoseconds / SECOND);
    until.tv_nsec += (long)(nanoseconds % SECOND);
    if (until.tv_nsec >= (long)SECOND) {
        until.tv_sec++;
        until.tv_nsec -= (long)SECOND;
    }
    pthread_mutex_lock(&scrubber->lock);
    if (!scrubber->stopping && nanoseconds > 0)
        pthread_cond_timedwait(&scrubber->stop, &scrubber->lock, &until);
    goes_on = !scrubber->stopping;
    pthread_mutex_unlock(&scrubber->lock);
    return goes_on;
}

static uint64_t now(const struct scrubber *scrubber)
{
    return scrubber->varve->io->ops->now(scrubber->varve->io);
}

/* True when it ran to its end. */
static bool make_pass(struct scrubber *scrubber)
{
    struct store_scrub_state state = {.passes = 0};
    uint64_t wait = 0;
    int r = 1;

    while (r != 0) {
        do {
            if (!sleep_for(scrubber, wait))
                return false;
            store_scrub_get(scrubber->scrub, &state);
            wait = scrub_ahead(&scrubber->pace, now(scrubber), state.bytes_read);
        } while (wait > 0);
        r = store_scrub_step(scrubber->scrub, tell_once, scrubber);
        wait = r < 0 ? SECOND : 0; /* without memory: later */
    }
    store_scrub_get(scrubber->scrub, &state);
    pthread_mutex_lock(&scrubber->lock);
    scrubber->finished = (int64_t)time(NULL);
    scrubber->finished_damaged = state.pass_damaged;
    pthread_mutex_unlock(&scrubber->lock);
    return true;
}

static void *work(void *opaque)
{
    struct scrubber *scrubber = opaque;
    uint64_t begun = now(scrubber);

    pthread_setname_np(pthread_self(), "varve-scrub");
    while (make_pass(scrubber)) {
        uint64_t at;

        while ((at = now(scrubber)) < begun + DAY)
            if (!sleep_for(scrubber, begun + DAY - at))
                return NULL;
        begun = at;
    }
    return NULL;
}

int scrubber_start(struct varve *varve, uint64_t rate, struct scrubber **ret_scrubber)
{
    struct scrubber *scrubber = calloc(1, sizeof *scrubber);
    pthread_attr_t attributes;
    sigset_t all, before;
    int r;

    if (scrubber == NULL)
        return varve_no_memory("the background scrub");
    scrubber->varve = varve;
    scrubber->pace = (struct scrub_pace){.rate = rate, .start = now(scrubber)};
    pthread_mutex_init(&scrubber->lock, NULL);
    pthread_cond_init(&scrubber->stop, NULL);
    r = store_scrub_open(varve->store, &scrubber->scrub);
    if (r == 0) {
        sigfillset(&all);
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&scrubber->thread, &attributes, work, scrubber);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        scrubber->started = r == 0;
        if (r != 0)
            r = varve_fail(r, "cannot start the background scrub: %s", strerror(r));
    }
    if (r != 0) {
        scrubber_stop(scrubber);
        return r;
    }
    *ret_scrubber = scrubber;
    return 0;
}

void scrubber_stop(struct scrubber *scrubber)
{
    if (scrubber == NULL)
        return;
    pthread_mutex_lock(&scrubber->lock);
    scrubber->stopping = true;
    pthread_cond_broadcast(&scrubber->stop);
    pthread_mutex_unlock(&scrubber->lock);
    if (scrubber->started)
        pthread_join(scrubber->thread, NULL);
    store_scrub_close(scrubber->scrub);
    pthread_cond_destroy(&scrubber->stop);
    pthread_mutex_destroy(&scrubber->lock);
    free(scrubber);
}

bool varve_scrub_get(struct varve *varve, struct varve_scrub_state *ret_state)
{
    struct scrubber *scrubber = varve->scrubber;
    struct store_scrub_state state;

    *ret_state = (struct varve_scrub_state){.rate = 0};
    if (scrubber == NULL)
        return false;
    store_scrub_get(scrubber->scrub, &state);
    *ret_state = (struct varve_scrub_state){
        .rate = scrubber->pace.rate,
        .running = state.running,
        .passes = state.passes,
        .bytes_read = state.bytes_read,
        .pass_bytes = state.pass_bytes,
        .total_bytes = state.total_bytes,
        .damaged = state.pass_damaged,
        .image = state.image,
        .offset = state.offset,
    };
    pthread_mutex_lock(&scrubber->lock);
    ret_state->finished = scrubber->finished;
    ret_state->finished_damaged = scrubber->finished_damaged;
    pthread_mutex_unlock(&scrubber->lock);
    return true;
}
