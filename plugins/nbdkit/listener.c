#include "listener.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* nbdkit takes at most this many by socket activation, and makes fewer by itself */
enum { LISTENERS_MAX = 16 };

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_vm vm;
        struct sockaddr_storage storage;
    };
    socklen_t length;
};

static struct address listeners[LISTENERS_MAX];
static unsigned listener_count;

/* A stream socket with an address. */
struct found {
    int fd;
    bool listening;
    struct address own;
};

/* The next one among the descriptors of the process; false behind the last. */
static bool next_socket(DIR *descriptors, struct found *ret_found)
{
    struct dirent *entry;

    while (descriptors && (entry = readdir(descriptors))) {
        int fd = (int)strtol(entry->d_name, NULL, 10), listening, type;
        struct address own = {.length = sizeof own.storage};
        socklen_t size = sizeof type;

        if (entry->d_name[0] == '.' || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == -1 ||
            type != SOCK_STREAM) {
            continue;
        }
        size = sizeof listening;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
            getsockname(fd, &own.any, &own.length) == 0) {
            *ret_found = (struct found){fd, listening != 0, own};
            return true;
        }
    }
    return false;
}

unsigned listener_find(void)
{
    DIR *descriptors = opendir("/proc/self/fd");
    struct found found;

    listener_count = 0;
    while (listener_count < LISTENERS_MAX && next_socket(descriptors, &found)) {
        if (found.listening) {
            listeners[listener_count++] = found.own;
        }
    }
    if (descriptors) {
        closedir(descriptors);
    }
    return listener_count;
}

/* A TCP socket that listens on all addresses accepts connections whose own address is one of them:
 * then only the port says that they belong together. */
static bool came_through(const struct address *own, const struct address *listener)
{
    if (own->any.sa_family != listener->any.sa_family) {
        return false;
    }
    switch (own->any.sa_family) {
    case AF_INET:
        return own->v4.sin_port == listener->v4.sin_port;
    case AF_INET6:
        return own->v6.sin6_port == listener->v6.sin6_port;
    case AF_VSOCK:
        return own->vm.svm_port == listener->vm.svm_port;
    default:
        return own->length == listener->length &&
               memcmp(&own->any, &listener->any, own->length) == 0;
    }
}

static bool came_in(const struct address *own)
{
    for (unsigned i = 0; i < listener_count; i++) {
        if (came_through(own, &listeners[i])) {
            return true;
        }
    }
    return false;
}

void listener_visit_connections(void (*visit)(int fd))
{
    DIR *descriptors = opendir("/proc/self/fd");
    struct found found;

    while (next_socket(descriptors, &found)) {
        if (!found.listening && came_in(&found.own)) {
            visit(found.fd);
        }
    }
    if (descriptors) {
        closedir(descriptors);
    }
}

/* A descriptor that was closed and given to something else meanwhile is at worst a connection to
 * the control door, which ends now as well. */
static void cut(int fd)
{
    shutdown(fd, SHUT_RDWR);
}

void listener_cut_connections(void)
{
    listener_visit_connections(cut);
}

bool listener_cut(int fd)
{
    struct address own = {.length = sizeof own.storage};

    return getsockname(fd, &own.any, &own.length) == 0 && came_in(&own) &&
           shutdown(fd, SHUT_RDWR) == 0;
}

const char *listener_name(unsigned number, char name[LISTENER_NAME])
{
    const struct address *listener = &listeners[number];
    char host[INET6_ADDRSTRLEN] = "?";

    if (number >= listener_count) {
        return NULL;
    }
    switch (listener->any.sa_family) {
    case AF_UNIX:
        snprintf(name, LISTENER_NAME, "unix:%s", listener->un.sun_path);
        break;
    case AF_INET:
        inet_ntop(AF_INET, &listener->v4.sin_addr, host, sizeof host);
        snprintf(name, LISTENER_NAME, "tcp %s:%u", host, ntohs(listener->v4.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &listener->v6.sin6_addr, host, sizeof host);
        snprintf(name, LISTENER_NAME, "tcp [%s]:%u", host, ntohs(listener->v6.sin6_port));
        break;
    case AF_VSOCK:
        snprintf(name, LISTENER_NAME, "vsock port %u", listener->vm.svm_port);
        break;
    default:
        snprintf(name, LISTENER_NAME, "a socket of family %u", listener->any.sa_family);
        break;
    }
    return name;
}
