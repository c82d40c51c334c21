#include "attach_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <varve/error.h>

#include "command.h"
#include "deadline.h"
#include "nbd_device.h"
#include "nbd_negotiate.h"
#include "program.h"

enum {
    /* with several, requests do not stand behind a slow one; nbdkit 1.32 works on one request of
     * each at a time */
    CONNECTIONS = 4,
    LOOK_MILLISECONDS = 10000, /* between looks whether the device is still ours */
    RETRY_FIRST = 50,          /* milliseconds between tries to reach the server, doubled up to */
    RETRY_LAST = 1000,
    END_SECONDS = 10,
};

/* What attach is told. */
struct report {
    bool connected;
    char device[ATTACHMENT_DEVICE];
    struct nbd_offer offer;
    char problem[PROGRAM_OUTPUT];
};

struct watcher {
    const struct attachment *attachment;
    struct nl_sock *deaths;
    struct nbd_offer offer; /* what the device was made of */
    bool read_only;         /* the device is, whatever the server would allow */
    int number;             /* of the device */
    /* Connections that may still be those of a watcher that died. A lease that they have or get
     * looks like another's: while there are any, who wrote is not known. */
    int inherited;
    bool lease_unknown;
    int dead; /* connections */
    char said[2 * PATH_MAX];
};

static void watcher_path(const struct attachment *attachment, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/watcher", attachment->folder);
}

/* Into the attachment's log, and the same line only once. */
static void say(struct watcher *watcher, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct watcher *watcher, const char *format, ...)
{
    char line[sizeof watcher->said], when[32];
    time_t now = time(NULL);
    struct tm broken;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (strcmp(line, watcher->said) == 0) {
        return;
    }
    memcpy(watcher->said, line, sizeof line);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &broken));
    fprintf(stderr, "%s %s\n", when, line);
}

static void close_sockets(struct nbd_sockets *sockets)
{
    while (sockets->count > 0) {
        close(sockets->fds[--sockets->count]);
    }
}

/* Of an export's description: what comes before the number of the last lease that others had. */
static size_t length_without_lease(const char *text)
{
    const char *lease = strstr(text, ", lease ");

    return lease ? (size_t)(lease - text) : strlen(text);
}

static bool is_same_text(const char *before, const char *now)
{
    const size_t length = length_without_lease(before);

    return length == length_without_lease(now) && strncmp(before, now, length) == 0;
}

/* 0, or -ESTALE with a line. */
static int compare(const struct watcher *watcher, const struct nbd_offer *offer)
{
    const struct nbd_offer *before = &watcher->offer;
    int differs = before->flags ^ offer->flags;

    if (watcher->read_only) {
        differs &= ~NBD_READ_ONLY;
    }
    if (offer->size != before->size || differs || !is_same_text(before->text, offer->text)) {
        return varve_fail(ESTALE,
                          "the export '%s' is no longer what was attached: it was '%s', flags %#x, "
                          "and is '%s', flags %#x",
                          watcher->attachment->export, before->text, before->flags, offer->text,
                          offer->flags);
    }
    /* Of what is only read, it does not matter who wrote meanwhile. */
    if (!watcher->read_only && !watcher->lease_unknown && strcmp(before->text, offer->text) != 0) {
        return varve_fail(ESTALE,
                          "others wrote to '%s' while this device had no connection, and what it "
                          "still has to write would destroy that: it was '%s', and is '%s'",
                          watcher->attachment->export, before->text, offer->text);
    }
    return 0;
}

/* One more connection; all offers have to be equal. */
static int add_socket(struct watcher *watcher, struct nbd_sockets *sockets)
{
    struct nbd_offer offer;
    int fd, error = nbd_negotiate(watcher->attachment->socket, watcher->attachment->export, &offer,
                                  &fd);

    if (error) {
        return error;
    }
    error = watcher->offer.size > 0 ? compare(watcher, &offer) : 0;
    if (error) {
        close(fd);
        return error;
    }
    if (watcher->offer.size == 0 || watcher->lease_unknown) {
        watcher->offer = offer;
        watcher->lease_unknown = watcher->inherited > 0;
    }
    sockets->fds[sockets->count++] = fd;
    return 0;
}

static int connect_device(struct watcher *watcher)
{
    const struct attachment *attachment = watcher->attachment;
    struct nbd_sockets sockets = {0};
    int error = 0;

    while (!error && sockets.count < CONNECTIONS) {
        error = add_socket(watcher, &sockets);
    }
    if (!error) {
        watcher->read_only = attachment->read_only || (watcher->offer.flags & NBD_READ_ONLY);
        if (watcher->read_only) {
            watcher->offer.flags |= NBD_READ_ONLY;
        }
        error = nbd_connect(attachment->folder, &watcher->offer, &sockets,
                            (struct nbd_waiting){attachment->retry, attachment->hold},
                            &watcher->number);
    }
    close_sockets(&sockets);
    return error;
}

/* Tries once to make the dead connections anew. */
static int revive(struct watcher *watcher)
{
    struct nbd_sockets sockets = {0};
    int error = 0;

    if (watcher->dead > CONNECTIONS) {
        watcher->dead = CONNECTIONS;
    }
    while (!error && sockets.count < watcher->dead) {
        error = add_socket(watcher, &sockets);
    }
    for (int i = 0; !error && i < sockets.count; i++) {
        /* one at a time: the driver does not say how many of a list it took */
        const struct nbd_sockets one = {.count = 1, .fds = {sockets.fds[i]}};

        error = nbd_reconnect(watcher->attachment->folder, watcher->number, &one);
    }
    if (!error) {
        say(watcher, "%d connections made anew", watcher->dead);
        watcher->dead = 0;
    }
    close_sockets(&sockets);
    return error;
}

static void watch(struct watcher *watcher)
{
    int pause = RETRY_FIRST;

    while (nbd_find(watcher->attachment->folder) == watcher->number) {
        int more = nbd_deaths_wait(watcher->deaths, watcher->number,
                                   watcher->dead ? pause : LOOK_MILLISECONDS);

        if (more < 0) {
            say(watcher, "%s", varve_error());
            more = INT_MAX; /* not knowing, try all */
        } else if (more < INT_MAX) {
            watcher->inherited = more < watcher->inherited ? watcher->inherited - more : 0;
        }
        if (more > 0) {
            watcher->dead = more > CONNECTIONS ? CONNECTIONS : watcher->dead + more;
            pause = RETRY_FIRST;
        }
        if (watcher->dead == 0) {
            continue;
        }
        if (revive(watcher) == 0) {
            pause = RETRY_FIRST;
        } else {
            say(watcher, "%s", varve_error());
            pause = pause * 2 < RETRY_LAST ? pause * 2 : RETRY_LAST;
        }
    }
    say(watcher, "the device is gone");
}

/* Requests of the device wait for this process: it must not wait for them in turn, neither for its
 * own pages nor for memory that the kernel gains by writing to the device. What is refused here
 * only makes that likelier. */
static void be_dependable(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "we");

    if (file) {
        fputs("-1000", file);
        fclose(file);
    }
    mlockall(MCL_CURRENT | MCL_FUTURE);
    prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

/* Leaves the terminal, the folder and the descriptors of attach (its lock is one of them), but for
 * the pipe. Returns the pipe. */
static int leave_parent(const struct attachment *attachment, int pipe)
{
    char path[PATH_MAX];
    int log, kept;

    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    setsid();
    prctl(PR_SET_NAME, "varve-attach");
    kept = fcntl(pipe, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    snprintf(path, sizeof path, "%s/log", attachment->folder);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (kept == -1 || log == -1 || dup2(log, STDOUT_FILENO) == -1 ||
        dup2(log, STDERR_FILENO) == -1 || chdir("/") == -1) {
        _exit(EXIT_FAILED);
    }
    close(STDIN_FILENO);
    open("/dev/null", O_RDONLY);
    dup2(kept, STDERR_FILENO + 1);
    close_range(STDERR_FILENO + 2, ~0U, 0);
    setvbuf(stderr, NULL, _IOLBF, 0);
    return STDERR_FILENO + 1;
}

/* The lock goes with the process. */
static int take_lock(const struct attachment *attachment)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX];
    int fd;

    watcher_path(attachment, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd == -1 || fcntl(fd, F_SETLK, &lock) == -1) {
        return varve_fail(errno, "cannot lock '%s': %s", path, strerror(errno));
    }
    return 0;
}

static void run_watcher(const struct attachment *attachment, int pipe)
{
    static struct watcher watcher;
    struct report report = {0};
    int error;

    pipe = leave_parent(attachment, pipe);
    watcher.attachment = attachment;
    watcher.offer = attachment->offer;
    watcher.number = nbd_find(attachment->folder);
    if ((error = take_lock(attachment)) == 0 && (error = nbd_deaths_open(&watcher.deaths)) == 0) {
        if (watcher.number >= 0) {
            /* which of them are alive is not told; the driver lets go of sockets it has no use for,
             * and while the dead watcher's connections live they have the lease */
            watcher.dead = CONNECTIONS;
            watcher.inherited = CONNECTIONS;
            watcher.lease_unknown = true;
            watcher.read_only = (watcher.offer.flags & NBD_READ_ONLY) != 0;
        } else {
            error = connect_device(&watcher);
        }
    }
    report.connected = error == 0;
    snprintf(report.device, sizeof report.device, "/dev/nbd%d", watcher.number);
    report.offer = watcher.offer;
    snprintf(report.problem, sizeof report.problem, "%s", error ? varve_error() : "");
    if (write(pipe, &report, sizeof report) != sizeof report && !error) {
        nbd_disconnect(watcher.number); /* attach died */
        error = -EPIPE;
    }
    close(pipe);
    if (!error && attachment->hold > 0) {
        be_dependable();
        watch(&watcher);
    }
    _exit(EXIT_DONE);
}

int attach_watch_start(struct attachment *attachment)
{
    struct report report = {0};
    ssize_t length;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) == -1 || (pid = fork()) == -1) {
        return command_fail(EXIT_FAILED, "cannot start a process: %s", strerror(errno));
    }
    if (pid == 0) {
        run_watcher(attachment, ends[1]);
    }
    close(ends[1]);
    do {
        length = read(ends[0], &report, sizeof report);
    } while (length == -1 && errno == EINTR && !interrupt_seen());
    close(ends[0]);
    if (length == -1) {
        return EXIT_FAILED; /* interrupted: undoing ends the process */
    }
    if (length != sizeof report) {
        return command_fail(EXIT_FAILED, "the process that connects '%s' ended", attachment->ref);
    }
    if (!report.connected) {
        return command_fail(EXIT_FAILED, "cannot attach '%s': %s", attachment->ref, report.problem);
    }
    memcpy(attachment->device, report.device, sizeof attachment->device);
    attachment->offer = report.offer;
    return EXIT_DONE;
}

/* The process that holds the lock, or 0. */
static pid_t find_watcher(const struct attachment *attachment)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[PATH_MAX];
    pid_t found = 0;
    int fd;

    watcher_path(attachment, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd != -1 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        found = lock.l_pid;
    }
    if (fd != -1) {
        close(fd);
    }
    return found;
}

bool attach_watch_lives(const struct attachment *attachment)
{
    return find_watcher(attachment) > 0;
}

/* The lock is free a moment before the process has ended, and that still has the log open, which
 * keeps the store's file system from being unmounted. */
static int end_process(pid_t pid, int process)
{
    struct deadline deadline = deadline_in(END_SECONDS);

    pidfd_send_signal(process, SIGTERM, NULL, 0);
    while (!program_has_ended(process)) {
        if (!deadline_wait(&deadline)) {
            return command_fail(EXIT_FAILED, "process %d, which watches a device, does not end",
                                (int)pid);
        }
    }
    return EXIT_DONE;
}

int attach_watch_end(const struct attachment *attachment)
{
    pid_t pid = find_watcher(attachment);
    int process, code = EXIT_DONE;

    if (pid == 0) {
        return EXIT_DONE;
    }
    process = pidfd_open(pid, 0);
    if (process == -1) {
        return errno == ESRCH ? EXIT_DONE
                              : command_fail(EXIT_FAILED, "cannot end process %d: %s", (int)pid,
                                             strerror(errno));
    }
    /* still this one, and no other by its number */
    if (find_watcher(attachment) == pid) {
        code = end_process(pid, process);
    }
    close(process);
    return code;
}
