#include "handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "complaint.h"
#include "listener.h"

enum {
    AGAIN_SECONDS = 1, /* between tries to cut one that was not in a system call */
    CROWD = 8,         /* times the places: more than this there never are */
    GRACE_SECONDS = 2, /* longer than one that means well takes, on a machine with much to do */
    CUT_AT_ONCE = 2,   /* of those that have no place, for each that comes: so they become fewer */
};

struct handshake {
    pid_t thread;
    int64_t began, due; /* seconds of the monotonic clock */
    bool cut;           /* its socket was shut down: it ends by itself now */
    bool done;          /* no longer in the list */
    struct handshake *previous, *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change;
static struct handshake *oldest, *newest;
static unsigned negotiating; /* in the list, and not cut */
static unsigned places_most, crowd_most, seconds_most;
static pthread_key_t of_thread;
static pthread_t reaper;
static bool running, ending;

static int64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec;
}

static void remove_locked(struct handshake *handshake)
{
    if (handshake->done) {
        return;
    }
    handshake->done = true;
    negotiating -= !handshake->cut;
    if (handshake->next) {
        handshake->next->previous = handshake->previous;
    } else {
        newest = handshake->previous;
    }
    if (handshake->previous) {
        handshake->previous->next = handshake->next;
    } else {
        oldest = handshake->next;
    }
}

static void end_thread(void *opaque)
{
    pthread_mutex_lock(&lock);
    remove_locked(opaque);
    pthread_mutex_unlock(&lock);
    free(opaque);
}

/* The descriptor of the system call that a thread is in, when it is one that waits for a peer; or
 * -1. */
static int blocked_on(pid_t thread)
{
    char path[64];
    unsigned descriptor;
    long call;
    FILE *file;
    int fields;

    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)thread);
    file = fopen(path, "re");
    if (!file) {
        return -1;
    }
    fields = fscanf(file, "%ld %x", &call, &descriptor);
    fclose(file);
    if (fields != 2) { /* "running" */
        return -1;
    }
    switch (call) {
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_write:
    case SYS_writev:
    case SYS_sendto:
    case SYS_sendmsg:
        return (int)descriptor;
    default:
        return -1;
    }
}

/* That the thread is still in a call on the descriptor after it was duplicated proves that both are
 * its socket: it never closes that and then goes on with the same number. */
static bool cut_thread(pid_t thread)
{
    int descriptor = blocked_on(thread);
    int copy = descriptor == -1 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    bool cut = copy != -1 && blocked_on(thread) == descriptor && listener_cut(copy);

    if (copy != -1) {
        close(copy);
    }
    return cut;
}

static bool cut_locked(struct handshake *handshake)
{
    if (!cut_thread(handshake->thread)) {
        return false;
    }
    handshake->cut = true;
    negotiating--;
    return true;
}

/* Cuts the one that came first and before `limit` (seconds of the monotonic clock). */
static bool cut_oldest_locked(int64_t limit)
{
    for (struct handshake *each = oldest; each && each->began < limit; each = each->next) {
        if (!each->cut && cut_locked(each)) {
            return true;
        }
    }
    return false;
}

/* Cuts those whose time is over. Returns when the next one is due, -1 when there is none. */
static int64_t cut_due_locked(void)
{
    int64_t next = -1, time = now();

    for (struct handshake *each = oldest; each; each = each->next) {
        if (each->cut) {
            continue;
        }
        if (each->due <= time) {
            if (cut_locked(each)) {
                complain("a client that did not come to an end with its negotiation in %u seconds "
                         "was cut",
                         seconds_most);
                continue;
            }
            each->due = time + AGAIN_SECONDS;
        }
        next = next == -1 || each->due < next ? each->due : next;
    }
    return next;
}

static void *reap(void *opaque)
{
    (void)opaque;
    pthread_mutex_lock(&lock);
    while (!ending) {
        int64_t next = cut_due_locked();

        if (next == -1) {
            pthread_cond_wait(&change, &lock);
        } else {
            /* one second later, because now() cuts its fraction off */
            const struct timespec until = {.tv_sec = (time_t)next + 1};

            pthread_cond_timedwait(&change, &lock, &until);
        }
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

int handshake_start(unsigned places, unsigned seconds)
{
    pthread_condattr_t monotonic;
    struct rlimit limit;
    int error;

    places_most = places;
    crowd_most = CROWD * places;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < crowd_most) {
        crowd_most = (unsigned)limit.rlim_cur / 2;
    }
    seconds_most = seconds;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    error = pthread_key_create(&of_thread, end_thread);
    if (!error) {
        error = pthread_create(&reaper, NULL, reap, NULL);
    }
    running = !error;
    return error;
}

void handshake_stop(void)
{
    if (!running) {
        return;
    }
    pthread_mutex_lock(&lock);
    ending = true;
    pthread_cond_signal(&change);
    pthread_mutex_unlock(&lock);
    pthread_join(reaper, NULL);
    running = false;
}

/* Returns whether there was room, or was made. */
static bool add_locked(struct handshake *handshake)
{
    const int64_t time = now();

    for (int i = 0; i < CUT_AT_ONCE && negotiating >= places_most; i++) {
        cut_oldest_locked(time - GRACE_SECONDS);
    }
    if (negotiating >= crowd_most && !cut_oldest_locked(INT64_MAX)) {
        return false;
    }
    handshake->began = time;
    handshake->due = time + seconds_most;
    handshake->done = false;
    handshake->previous = newest;
    handshake->next = NULL;
    if (newest) {
        newest->next = handshake;
    } else {
        oldest = handshake;
        pthread_cond_signal(&change);
    }
    newest = handshake;
    negotiating++;
    return true;
}

int handshake_begin(void)
{
    struct handshake *handshake = calloc(1, sizeof *handshake);
    bool room;

    if (!handshake || pthread_setspecific(of_thread, handshake)) {
        free(handshake);
        complain("no memory for a connection");
        return -1;
    }
    handshake->thread = (pid_t)syscall(SYS_gettid);
    handshake->done = true;
    pthread_mutex_lock(&lock);
    room = add_locked(handshake);
    pthread_mutex_unlock(&lock);
    if (!room) {
        complain("refused a connection: %u others negotiate already", crowd_most);
    }
    return room ? 0 : -1;
}

void handshake_done(void)
{
    struct handshake *handshake = pthread_getspecific(of_thread);

    if (handshake) {
        pthread_mutex_lock(&lock);
        remove_locked(handshake);
        pthread_mutex_unlock(&lock);
    }
}

void handshake_go_on(void)
{
    struct handshake *handshake = pthread_getspecific(of_thread);

    if (handshake) {
        pthread_mutex_lock(&lock);
        if (handshake->done && !handshake->cut) {
            add_locked(handshake); /* when there is no place, it ends or goes on without */
        }
        pthread_mutex_unlock(&lock);
    }
}
