#include "own_socket.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "listener.h"
#include "plugin.h"

union address {
    struct sockaddr any;
    struct sockaddr_storage storage;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all below */
/* By descriptor: the cookie of the socket that was found there. The kernel gives no cookie twice,
 * so what is left here of a closed one does no harm. */
static uint64_t *found;
static size_t found_count;
/* what is searched */
static union address peer;
static socklen_t peer_length;
static int64_t peer_pid;
static struct own_socket candidate;
static unsigned candidates;

/* nbdkit opens all exports of a connection in one thread, which is of no other. */
static _Thread_local struct own_socket own = {.fd = -1};

static bool note_locked(int fd, uint64_t cookie)
{
    if ((size_t)fd >= found_count) {
        size_t count = 2 * (size_t)fd + 64;
        uint64_t *more = realloc(found, count * sizeof *more);

        if (!more) {
            return false;
        }
        memset(more + found_count, 0, (count - found_count) * sizeof *more);
        found = more;
        found_count = count;
    }
    found[fd] = cookie;
    return true;
}

static bool is_peer_locked(int fd)
{
    union address address = {0};
    socklen_t length = sizeof address, size = sizeof(struct ucred);
    struct ucred process;

    if (getpeername(fd, &address.any, &length) == -1 || length != peer_length ||
        memcmp(&address, &peer, length) != 0) {
        return false;
    }
    return peer.any.sa_family != AF_UNIX ||
           (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &size) == 0 &&
            process.pid == peer_pid);
}

static bool read_cookie(int fd, uint64_t *ret_cookie)
{
    socklen_t size = sizeof *ret_cookie;

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &size) == 0;
}

static void look_at_locked(int fd)
{
    uint64_t cookie;

    if (!read_cookie(fd, &cookie) || ((size_t)fd < found_count && found[fd] == cookie) ||
        !is_peer_locked(fd)) {
        return;
    }
    candidates += note_locked(fd, cookie) ? 1 : 2; /* without memory it is not known */
    candidate = (struct own_socket){.fd = fd, .cookie = cookie};
}

struct own_socket own_socket_find(void)
{
    if (own.fd != -1) {
        return own;
    }
    pthread_mutex_lock(&lock);
    memset(&peer, 0, sizeof peer);
    peer_length = sizeof peer;
    candidates = 0;
    if (nbdkit_peer_name(&peer.any, &peer_length) == 0) {
        peer_pid = peer.any.sa_family == AF_UNIX ? nbdkit_peer_pid() : 0;
        listener_visit_connections(look_at_locked);
        if (candidates == 1) {
            own = candidate;
        }
    }
    pthread_mutex_unlock(&lock);
    return own;
}

bool own_socket_has_ended(const struct own_socket *socket)
{
    struct pollfd hung_up = {.fd = socket->fd, .events = POLLRDHUP};
    uint64_t cookie;

    /* nbdkit may have closed it, and the descriptor may be something else's by now */
    return socket->fd != -1 && (!read_cookie(socket->fd, &cookie) || cookie != socket->cookie ||
                                poll(&hung_up, 1, 0) == 1);
}
