#include "readiness.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "listener.h"
#include "plugin.h"

/* One datagram, as sd_notify(3) describes it; a path that begins with @ is in the abstract
 * namespace. */
static void tell_service_manager(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    int fd;

    if (length == 0) {
        return;
    }
    if ((path[0] != '/' && path[0] != '@') || length >= sizeof address.sun_path) {
        nbdkit_error("NOTIFY_SOCKET '%s' is not a path of at most %zu bytes", path,
                     sizeof address.sun_path - 1);
        return;
    }
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1 ||
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) == -1) {
        nbdkit_error("cannot tell the service manager on '%s': %s", path, strerror(errno));
    }
    if (fd != -1) {
        close(fd);
    }
}

static void write_line(const char *store, int fd)
{
    char name[LISTENER_NAME];

    dprintf(fd, "varve: serving %s on ", store);
    for (unsigned i = 0; listener_name(i, name); i++) {
        dprintf(fd, "%s%s", i > 0 ? " and " : "", name);
    }
    dprintf(fd, "\n");
}

void readiness_announce(const char *store, int fd)
{
    char state[64];

    if (fd != -1) {
        write_line(store, fd);
        close(fd);
    }
    snprintf(state, sizeof state, "READY=1\nMAINPID=%ld", (long)getpid());
    tell_service_manager(state);
}

void readiness_stopping(void)
{
    tell_service_manager("STOPPING=1");
}
