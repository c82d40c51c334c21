#include "serve_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"

enum {
    BACKLOG = 128,
    /* A client whose machine died is noticed after KEEP_IDLE + KEEP_COUNT * KEEP_INTERVAL seconds,
     * and what it held (a write lease) is free again. */
    KEEP_IDLE = 30,
    KEEP_INTERVAL = 10,
    KEEP_COUNT = 3,
    FIRST_HANDED_FD = 3,
    PARKING_FD = 64, /* above all that is handed over */
};

/* A server that is too busy to accept (EAGAIN) is alive as well. */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool live = fd != -1 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
                             errno == EAGAIN);

    if (fd != -1) {
        close(fd);
    }
    return live;
}

static int make_room(const struct sockaddr_un *address)
{
    const char *path = address->sun_path;
    struct stat status;

    if (lstat(path, &status) == -1) {
        return errno == ENOENT ? EXIT_DONE
                               : command_fail(exit_code_of(-errno), "cannot make socket '%s': %s",
                                              path, strerror(errno));
    }
    if (!S_ISSOCK(status.st_mode)) {
        return command_fail(EXIT_EXISTS,
                            "'%s' exists and is not a socket: remove it, or name another path with "
                            "--socket",
                            path);
    }
    if (is_live(address)) {
        return command_fail(EXIT_BUSY,
                            "a server answers on '%s' already: stop it, or name another path with "
                            "--socket",
                            path);
    }
    if (unlink(path) == -1) {
        return command_fail(exit_code_of(-errno), "cannot remove the stale socket '%s': %s", path,
                            strerror(errno));
    }
    return EXIT_DONE;
}

int serve_listen_unix(struct serve_sockets *sockets, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int code, fd;
    bool failed;

    if (strlen(path) >= sizeof address.sun_path) {
        return command_fail(EXIT_USAGE,
                            "socket path '%s' has %zu bytes, and the system takes %zu: name a "
                            "shorter one with --socket",
                            path, strlen(path), sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, strlen(path));
    code = make_room(&address);
    if (code != EXIT_DONE) {
        return code;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mask = umask(0117); /* user and group may connect; the folder may say no to more */
    failed = fd == -1 || bind(fd, (const struct sockaddr *)&address, sizeof address) == -1 ||
             listen(fd, BACKLOG) == -1;
    umask(mask);
    if (failed) {
        code = command_fail(exit_code_of(-errno), "cannot make socket '%s': %s", path,
                            strerror(errno));
        if (fd != -1) {
            close(fd);
        }
        return code;
    }
    sockets->fds[sockets->count++] = fd;
    return EXIT_DONE;
}

/* Splits at the last colon. Returns false when that makes no sense. */
static bool split_address(const char *address, char *host, size_t size, const char **ret_port)
{
    const char *colon = strrchr(address, ':');
    size_t length = colon ? (size_t)(colon - address) : 0;
    char *end;
    long port;

    if (!colon || length >= size) {
        return false;
    }
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    } else if (memchr(address, ':', length)) {
        return false; /* an IPv6 address without brackets: which colon is the port's? */
    }
    memcpy(host, address, length);
    host[length] = '\0';
    errno = 0;
    port = strtol(colon + 1, &end, 10);
    *ret_port = colon + 1;
    return colon[1] >= '0' && colon[1] <= '9' && *end == '\0' && errno == 0 && port <= 65535;
}

static int open_tcp(const struct addrinfo *info)
{
    static const int on = 1, idle = KEEP_IDLE, interval = KEEP_INTERVAL, count = KEEP_COUNT;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), error;

    if (fd == -1) {
        return -1;
    }
    /* what is set here holds for each accepted connection too */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A name may have addresses of a kind that this machine does not speak: one that can be had is
 * enough, but one that is in use is an error. Returns a positive errno then. */
static int listen_all(struct serve_sockets *sockets, const struct addrinfo *found)
{
    int error = 0, before = sockets->count;

    for (const struct addrinfo *info = found; info; info = info->ai_next) {
        int fd;

        if (sockets->count == SERVE_SOCKETS_MAX) {
            return EMFILE;
        }
        fd = open_tcp(info);
        if (fd != -1) {
            sockets->fds[sockets->count++] = fd;
            continue;
        }
        error = errno;
        if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL) {
            return error;
        }
    }
    return sockets->count > before ? 0 : error;
}

int serve_listen_tcp(struct serve_sockets *sockets, const char *address)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found;
    char host[NI_MAXHOST];
    const char *port;
    int error;

    if (!split_address(address, host, sizeof host, &port)) {
        return command_fail(EXIT_USAGE,
                            "'%s' is not HOST:PORT with a port from 0 to 65535, such as "
                            "127.0.0.1:10809, [::1]:10809 or *:10809",
                            address);
    }
    error =
        getaddrinfo(host[0] == '\0' || strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found);
    if (error) {
        return command_fail(EXIT_FAILED, "cannot listen on '%s': %s", address,
                            error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    }
    error = listen_all(sockets, found);
    freeaddrinfo(found);
    if (error) {
        return command_fail(error == EADDRINUSE ? EXIT_BUSY : exit_code_of(-error),
                            "cannot listen on '%s': %s", address, strerror(error));
    }
    return EXIT_DONE;
}

int serve_hand_over(struct serve_sockets *sockets)
{
    char number[32];

    /* first out of the way of each other, then into their places */
    for (int i = 0; i < sockets->count; i++) {
        sockets->fds[i] = fcntl(sockets->fds[i], F_DUPFD_CLOEXEC, PARKING_FD);
        if (sockets->fds[i] == -1) {
            return command_fail(EXIT_FAILED, "cannot pass the sockets on: %s", strerror(errno));
        }
    }
    for (int i = 0; i < sockets->count; i++) {
        if (dup2(sockets->fds[i], FIRST_HANDED_FD + i) == -1) {
            return command_fail(EXIT_FAILED, "cannot pass the sockets on: %s", strerror(errno));
        }
    }
    snprintf(number, sizeof number, "%d", sockets->count);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof number, "%ld", (long)getpid());
    setenv("LISTEN_PID", number, 1);
    unsetenv("LISTEN_FDNAMES");
    return EXIT_DONE;
}
