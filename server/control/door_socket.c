/* Making, replacing and removing the socket. */
#include "control/door_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <varve/error.h>

enum { BACKLOG = 256 };

/* The address goes through the directory's descriptor: a Unix address holds 107 bytes, and stores
 * may lie deeper than that. */
static int address(const struct door_socket *made, const char *suffix, struct sockaddr_un *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->sun_family = AF_UNIX;
    int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s%s", made->directory,
                     made->name, suffix);
    if (n < 0 || (size_t)n >= sizeof ret->sun_path)
        return varve_fail(ENAMETOOLONG, "the name of control socket '%s' is too long", made->name);
    return 0;
}

static int open_directory(const char *path, struct door_socket *made)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL   ? strdup(".")
                      : slash == path ? strdup("/")
                                      : strndup(path, (size_t)(slash - path));
    made->name = strdup(slash != NULL ? slash + 1 : path);
    if (directory == NULL || made->name == NULL) {
        free(directory);
        return varve_fail(ENOMEM, "no memory for control socket %s", path);
    }
    made->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = made->directory < 0
                ? varve_fail(errno, "cannot make control socket %s: %s", path, strerror(errno))
                : 0;
    free(directory);
    return r;
}

/* 0 when nothing answers there: the name is free, or a dead server's. */
static int refuse_live(const char *path, const struct door_socket *made)
{
    struct stat there;
    if (fstatat(made->directory, made->name, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0
                               : varve_fail(errno, "cannot look at control socket %s: %s", path,
                                            strerror(errno));
    if (!S_ISSOCK(there.st_mode))
        return varve_fail(EEXIST,
                          "%s is in the way of the control socket and is not a socket; "
                          "move it away",
                          path);
    struct sockaddr_un to;
    int r = address(made, "", &to);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return varve_fail(errno, "cannot make a socket: %s", strerror(errno));
    bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno == ECONNREFUSED;
    close(fd);
    if (!refused)
        return varve_fail(EBUSY, "another server answers on control socket %s; stop it first",
                          path);
    return 0;
}

/* Binds beside the name, listens, and moves it over the name: nobody finds it before it listens. */
static int bind_and_listen(const char *path, struct door_socket *made)
{
    static const char suffix[] = ".new";
    struct sockaddr_un at;
    int r = address(made, suffix, &at);
    if (r < 0)
        return r;
    /* the name in the directory alone: what follows the last slash */
    const char *beside = strrchr(at.sun_path, '/') + 1;
    unlinkat(made->directory, beside, 0);
    made->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Linux gives the name the mode that the socket has when it is bound, less the umask. */
    if (made->fd < 0 || fchmod(made->fd, 0600) < 0 ||
        bind(made->fd, (struct sockaddr *)&at, sizeof at) < 0)
        return varve_fail(errno, "cannot make control socket %s: %s", path, strerror(errno));
    struct stat there;
    if (listen(made->fd, BACKLOG) < 0 ||
        fstatat(made->directory, beside, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
        renameat(made->directory, beside, made->directory, made->name) < 0) {
        r = varve_fail(errno, "cannot make control socket %s: %s", path, strerror(errno));
        unlinkat(made->directory, beside, 0);
        return r;
    }
    made->device = there.st_dev;
    made->inode = there.st_ino;
    return 0;
}

int door_socket_open(const char *path, struct door_socket *ret_socket)
{
    struct door_socket made = {.fd = -1, .directory = -1};
    int r = open_directory(path, &made);
    if (r == 0)
        r = refuse_live(path, &made);
    if (r == 0)
        r = bind_and_listen(path, &made);
    if (r < 0) {
        if (made.fd >= 0)
            close(made.fd);
        if (made.directory >= 0)
            close(made.directory);
        free(made.name);
        return r;
    }
    *ret_socket = made;
    return 0;
}

void door_socket_remove(struct door_socket *made)
{
    if (made->directory < 0)
        return;
    struct stat there;
    if (fstatat(made->directory, made->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        there.st_dev == made->device && there.st_ino == made->inode)
        unlinkat(made->directory, made->name, 0);
    close(made->directory);
    made->directory = -1;
    free(made->name);
    made->name = NULL;
}

void door_socket_peer(int fd, char *ret_who, size_t size)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) {
        snprintf(ret_who, size, "unknown");
        return;
    }
    char room[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(peer.uid, &entry, room, sizeof room, &found) == 0 && found != NULL)
        snprintf(ret_who, size, "%s", found->pw_name);
    else
        snprintf(ret_who, size, "uid %u", (unsigned)peer.uid);
}
