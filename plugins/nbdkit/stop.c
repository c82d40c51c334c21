#include "stop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <varve/error.h>
#include <varve/server.h>

#include "connection.h"
#include "gate.h"
#include "listener.h"
#include "plugin.h"
#include "readiness.h"

enum {
    END_MS = 3000, /* for the requests under way */
    LOOK_EVERY_MS = 5,
    ANSWER_MS = 200,    /* for the last answers to leave */
    CUT_EVERY_MS = 200, /* connections that were just accepted */
    LEAVE_SECONDS = 9,  /* the promise is ten */
};

static pthread_t watcher;
static bool watching;
static int end_fd = -1; /* readable when the watcher should end */

/* The signals that nbdkit stops at. */
static sigset_t stop_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGQUIT);
    sigaddset(&signals, SIGHUP);
    return signals;
}

void stop_block_signals(void)
{
    sigset_t signals = stop_signals();

    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* Waits for the readiness of a descriptor, or for the end of the watch. Returns true at its end. */
static bool wait_for(int fd, int milliseconds, bool *ret_ready)
{
    struct pollfd fds[] = {{.fd = end_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    *ret_ready = poll(fds, 2, milliseconds) > 0 && (fds[1].revents & POLLIN);
    return fds[0].revents & POLLIN;
}

static void leave(int signal_number)
{
    static const char line[] = "varve: the stop took too long (a request or the disk hangs); "
                               "leaving, the next start recovers\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);

    (void)signal_number;
    (void)written;
    _exit(1);
}

/* By a signal, because this thread may itself hang in the disk. */
static void set_deadline(void)
{
    struct sigaction action = {.sa_handler = leave};
    sigset_t deadline;

    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&deadline);
    sigaddset(&deadline, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &deadline, NULL);
    alarm(LEAVE_SECONDS);
}

/* nbdkit does not say when an answer has left: only that it was made can be known here. */
static void let_requests_end(void)
{
    gate_close();
    for (int waited = 0; gate_is_busy() && waited < END_MS; waited += LOOK_EVERY_MS) {
        usleep(1000 * LOOK_EVERY_MS);
    }
    if (connection_count() > 0) {
        usleep(1000 * ANSWER_MS);
    }
}

static void *watch(void *opaque)
{
    int signal_fd = *(int *)opaque;
    bool stopping = false, ended = false;

    while (!stopping && !ended) {
        ended = wait_for(signal_fd, -1, &stopping);
    }
    close(signal_fd);
    if (ended) {
        return NULL;
    }
    set_deadline();
    readiness_stopping();
    let_requests_end();
    listener_cut_connections();
    nbdkit_shutdown();
    gate_let_go();
    if (varve_sync(plugin_store())) {
        nbdkit_error("cannot make all writes durable before the stop: %s", varve_error());
    }
    while (!ended) {
        listener_cut_connections();
        ended = wait_for(-1, CUT_EVERY_MS, &stopping);
    }
    return NULL;
}

int stop_watch(void)
{
    static int signal_fd; /* read by the thread after this function returned */
    sigset_t signals = stop_signals();
    int error;

    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    end_fd = eventfd(0, EFD_CLOEXEC);
    error =
        signal_fd == -1 || end_fd == -1 ? errno : pthread_create(&watcher, NULL, watch, &signal_fd);
    if (error) {
        if (signal_fd != -1) {
            close(signal_fd);
        }
        if (end_fd != -1) {
            close(end_fd);
        }
        return error;
    }
    watching = true;
    return 0;
}

void stop_unwatch(void)
{
    if (!watching) {
        return;
    }
    eventfd_write(end_fd, 1);
    pthread_join(watcher, NULL);
    close(end_fd);
    watching = false;
}

void stop_done(void)
{
    alarm(0);
}
