/*
 * `varve serve`: checks what can be checked, opens the sockets, and becomes nbdkit with varve's
 * plugin, which opens the store. From then on there is one process and it is nbdkit's; how it
 * stops is in plugins/nbdkit/stop.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <varve/error.h>
#include <varve/server.h>

#include "command.h"
#include "serve_nbdkit.h"
#include "serve_sockets.h"
#include "size.h"

enum {
    THREADS_MAX = 256,
    CLIENTS_DEFAULT = 512,
    CLIENTS_MAX = 100000,
    HANDSHAKE_DEFAULT = 60,
    HANDSHAKE_MAX = 3600,
    CONNECTION_DESCRIPTORS = 3,
    OTHER_DESCRIPTORS = 200,
    LOCK_FD = 100, /* above the sockets that are handed over */
    ARGUMENTS_MAX = 24,
    ARGUMENT_MAX = PATH_MAX + 16,
};

static char *socket_option, *listen_option, *cache_option, *scrub_option, *log_level_option,
    *pid_file_option;
static int threads_option, clients_option = CLIENTS_DEFAULT, handshake_option = HANDSHAKE_DEFAULT,
                           buffered_option;

static const struct poptOption options[] = {
    {"socket", '\0', POPT_ARG_STRING, &socket_option, 0,
     "Unix socket for NBD (default: STORE/nbd.sock)", "PATH"},
    {"listen", '\0', POPT_ARG_STRING, &listen_option, 0,
     "serve NBD over TCP as well; not encrypted: see varve-serve in the manual", "HOST:PORT"},
    {"threads", '\0', POPT_ARG_INT, &threads_option, 0,
     "requests of one connection worked on at once (default: nbdkit's, 16)", "N"},
    {"clients", '\0', POPT_ARG_INT, &clients_option, 0,
     "connections at once; later ones are refused (default: 512)", "N"},
    {"handshake", '\0', POPT_ARG_INT, &handshake_option, 0,
     "how long a client may negotiate, while no more than --clients do (default: 60)", "SECONDS"},
    {"cache", '\0', POPT_ARG_STRING, &cache_option, 0, "memory for map pages (default: 128M)",
     "SIZE"},
    {"scrub-rate", '\0', POPT_ARG_STRING, &scrub_option, 0,
     "scrub in the background, reading so much a second, e.g. 4M (default: not)", "SIZE"},
    {"buffered", '\0', POPT_ARG_NONE, &buffered_option, 0,
     "write extents and journal through the page cache", NULL},
    {"log-level", '\0', POPT_ARG_STRING, &log_level_option, 0,
     "error (default), or debug: every request, on standard error", "LEVEL"},
    {"pid-file", '\0', POPT_ARG_STRING, &pid_file_option, 0,
     "write the number of the process there when ready", "PATH"},
    POPT_TABLEEND,
};

/* The command line of nbdkit. */
struct argument_list {
    int count;
    char text[ARGUMENTS_MAX][ARGUMENT_MAX];
    char *vector[ARGUMENTS_MAX + 1];
};
static struct argument_list nbdkit_arguments;

static void add_argument(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add_argument(const char *format, ...)
{
    struct argument_list *list = &nbdkit_arguments;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(list->text[list->count], ARGUMENT_MAX, format, arguments);
    va_end(arguments);
    list->vector[list->count] = list->text[list->count];
    list->vector[++list->count] = NULL;
}

static int check_options(uint64_t *ret_cache, uint64_t *ret_scrub)
{
    *ret_cache = *ret_scrub = 0;
    if (threads_option < 0 || threads_option > THREADS_MAX) {
        return command_fail(EXIT_USAGE, "--threads %d is not between 1 and %d", threads_option,
                            THREADS_MAX);
    }
    if (clients_option < 1 || clients_option > CLIENTS_MAX) {
        return command_fail(EXIT_USAGE, "--clients %d is not between 1 and %d", clients_option,
                            CLIENTS_MAX);
    }
    if (handshake_option < 1 || handshake_option > HANDSHAKE_MAX) {
        return command_fail(EXIT_USAGE, "--handshake %d is not between 1 and %d seconds",
                            handshake_option, HANDSHAKE_MAX);
    }
    if (log_level_option && strcmp(log_level_option, "error") != 0 &&
        strcmp(log_level_option, "debug") != 0) {
        return command_fail(EXIT_USAGE, "--log-level '%s' is neither error nor debug",
                            log_level_option);
    }
    if (cache_option) {
        int error = size_parse(cache_option, ret_cache);

        if (error) {
            return command_fail_error(error);
        }
    }
    if (scrub_option) {
        int error = size_parse(scrub_option, ret_scrub);

        if (error) {
            return command_fail_error(error);
        }
    }
    return EXIT_DONE;
}

static int check_store(const char *named, char store[PATH_MAX])
{
    char extents[PATH_MAX + sizeof "/extents"];

    if (!realpath(named, store)) {
        return command_fail(exit_code_of(-errno),
                            "cannot open store '%s': %s (`varve init %s` makes one)", named,
                            strerror(errno), named);
    }
    snprintf(extents, sizeof extents, "%s/extents", store);
    if (access(extents, F_OK) == -1) {
        return command_fail(EXIT_NOT_FOUND,
                            "'%s' is not a store: it has no 'extents' (`varve init` "
                            "makes a store)",
                            store);
    }
    return EXIT_DONE;
}

/* One `varve serve` at a time gets to touch the sockets of a store. The lock on the folder goes
 * over to nbdkit and lasts as long as it. (The store has its own lock, for everyone; but that can
 * only be taken by who opens it.) */
static int lock_folder(const char *store)
{
    int fd = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct varve *varve;
    int error, kept;

    if (fd == -1) {
        return command_fail(exit_code_of(-errno), "cannot open store '%s': %s", store,
                            strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        /* opening says who holds it, better than can be said here */
        error = varve_open(store, VARVE_OPEN_READ_ONLY, NULL, &varve);
        if (error) {
            return command_fail_error(error);
        }
        varve_close(varve);
        return command_fail(EXIT_BUSY, "another `varve serve` is starting on store '%s'", store);
    }
    kept = fcntl(fd, F_DUPFD, LOCK_FD);
    close(fd);
    return kept == -1
               ? command_fail(EXIT_FAILED, "cannot lock store '%s': %s", store, strerror(errno))
               : EXIT_DONE;
}

/* The usual soft limit is 1024. Without descriptors nbdkit can accept nobody. */
static int raise_descriptor_limit(void)
{
    const rlim_t needed = (rlim_t)clients_option * (CONNECTION_DESCRIPTORS + 1) + OTHER_DESCRIPTORS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        return EXIT_DONE;
    }
    if (limit.rlim_max < needed) {
        return command_fail(EXIT_FAILED,
                            "--clients %d needs %llu open files, and this process may have %llu: "
                            "raise that limit (ulimit -Hn, LimitNOFILE=), or allow fewer clients",
                            clients_option, (unsigned long long)needed,
                            (unsigned long long)limit.rlim_max);
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    return EXIT_DONE;
}

static void make_arguments(const struct serve_nbdkit *nbdkit, const char *store, const char *path,
                           uint64_t cache, uint64_t scrub)
{
    add_argument("%s", nbdkit->program);
    if (log_level_option && strcmp(log_level_option, "debug") == 0) {
        add_argument("--verbose");
    }
    if (threads_option > 0) {
        add_argument("--threads=%d", threads_option);
    }
    if (pid_file_option) {
        add_argument("--pidfile=%s", pid_file_option);
    }
    add_argument("%s", nbdkit->plugin);
    add_argument("store=%s", store);
    add_argument("socket=%s", path);
    add_argument("announce=true");
    if (cache > 0) {
        add_argument("cache=%llu", (unsigned long long)cache);
    }
    if (scrub > 0) {
        add_argument("scrub=%llu", (unsigned long long)scrub);
    }
    if (buffered_option) {
        add_argument("direct=false");
    }
    add_argument("clients=%d", clients_option);
    add_argument("handshake=%d", handshake_option);
}

/* Replaces this process. Returns only when that fails. */
static int become_nbdkit(struct serve_sockets *sockets)
{
    int code = serve_hand_over(sockets);

    if (code != EXIT_DONE) {
        return code;
    }
    execvp(nbdkit_arguments.vector[0], nbdkit_arguments.vector);
    return command_fail(EXIT_FAILED, "cannot run '%s': %s", nbdkit_arguments.vector[0],
                        strerror(errno));
}

/* nbdkit may go to another folder before it uses the path */
static int choose_socket(const char *store, char path[PATH_MAX])
{
    char folder[PATH_MAX];
    int length;

    if (!socket_option) {
        length = snprintf(path, PATH_MAX, "%s/nbd.sock", store);
    } else if (socket_option[0] == '/') {
        length = snprintf(path, PATH_MAX, "%s", socket_option);
    } else if (getcwd(folder, sizeof folder)) {
        length = snprintf(path, PATH_MAX, "%s/%s", folder, socket_option);
    } else {
        return command_fail(EXIT_FAILED, "cannot tell the working folder: %s", strerror(errno));
    }
    if (length >= PATH_MAX) {
        return command_fail(EXIT_USAGE, "the path of the socket is longer than %d bytes", PATH_MAX);
    }
    return EXIT_DONE;
}

static int run(const struct invocation *invocation)
{
    static struct serve_nbdkit nbdkit;
    struct serve_sockets sockets = {0};
    char store[PATH_MAX], path[PATH_MAX];
    uint64_t cache, scrub;
    int code;

    if ((code = check_options(&cache, &scrub)) != EXIT_DONE ||
        (code = check_store(invocation->store, store)) != EXIT_DONE ||
        (code = choose_socket(store, path)) != EXIT_DONE ||
        (code = serve_find_nbdkit(&nbdkit)) != EXIT_DONE ||
        (code = raise_descriptor_limit()) != EXIT_DONE ||
        (code = lock_folder(store)) != EXIT_DONE ||
        (code = serve_listen_unix(&sockets, path)) != EXIT_DONE) {
        return code;
    }
    if (listen_option) {
        code = serve_listen_tcp(&sockets, listen_option);
    }
    if (code == EXIT_DONE) {
        make_arguments(&nbdkit, store, path, cache, scrub);
        code = become_nbdkit(&sockets);
    }
    unlink(path);
    return code;
}

const struct command command_serve = {
    .name = "serve",
    .summary = "Serves the volumes of a store over NBD, in the foreground.",
    .details =
        "Prints one line when it is ready, and stops within ten seconds at SIGTERM or Ctrl-C.\n"
        "The control door, through which the other commands work, is STORE/control.sock.\n"
        "With --scrub-rate a pass over all data begins at the start, and then one a day; it is\n"
        "off until it is asked for, since the device's time belongs to the clients. `varve\n"
        "stats` shows where it is and what it found.",
    .example = "varve --store /srv/store serve\n"
               "varve --store /srv/store serve --listen 127.0.0.1:10809",
    .flags = COMMAND_STORE,
    .options = options,
    .run = run,
};
