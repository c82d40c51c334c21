#include "client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "complaint.h"
#include "plugin.h"

/* Reads a small file of /proc/PID whole. Returns false when the process is gone. */
static bool read_proc(int64_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%" PRId64 "/%s", pid, file);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        return false;
    }
    got = read(fd, text, size - 1);
    close(fd);
    if (got <= 0) {
        return false;
    }
    text[got] = '\0';
    return true;
}

/* The 22nd field of /proc/PID/stat. The second is the command's name in parentheses, which may hold
 * anything; so count from the last one. */
static uint64_t start_time(int64_t pid)
{
    char text[1024], *field;

    if (!read_proc(pid, "stat", text, sizeof text)) {
        return 0;
    }
    field = strrchr(text, ')');
    for (unsigned number = 2; field && number < 22; number++) {
        field = strchr(field + 1, ' ');
    }
    return field ? strtoull(field + 1, NULL, 10) : 0;
}

static void identify_process(struct client *client)
{
    char text[64] = "", command[48];

    client->pid = nbdkit_peer_pid();
    client->uid = nbdkit_peer_uid();
    if (client->pid <= 0) {
        snprintf(client->name, sizeof client->name, "process of another namespace, uid %" PRId64,
                 client->uid);
        return;
    }
    client->kind = CLIENT_PROCESS;
    client->start = start_time(client->pid);
    if (!read_proc(client->pid, "comm", text, sizeof text)) {
        snprintf(text, sizeof text, "ended");
    }
    text[strcspn(text, "\n")] = '\0';
    snprintf(client->name, sizeof client->name, "pid %" PRId64 " (%s) uid %" PRId64, client->pid,
             escape_line(text, command, sizeof command), client->uid);
}

static void identify_host6(struct client *client, const struct sockaddr_in6 *address)
{
    char text[INET6_ADDRSTRLEN] = "?";

    client->kind = CLIENT_HOST;
    if (IN6_IS_ADDR_V4MAPPED(&address->sin6_addr)) {
        /* the same host may also come through an IPv4 socket */
        inet_ntop(AF_INET, &address->sin6_addr.s6_addr[12], text, sizeof text);
    } else {
        inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof text);
    }
    if (address->sin6_scope_id != 0) {
        snprintf(client->name, sizeof client->name, "%s%%%" PRIu32, text, address->sin6_scope_id);
    } else {
        snprintf(client->name, sizeof client->name, "%s", text);
    }
}

void client_identify(struct client *ret_client)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_vm vm;
        struct sockaddr_storage storage;
    } peer = {0};
    socklen_t length = sizeof peer;
    struct client *client = ret_client;

    *client = (struct client){.kind = CLIENT_LONE};
    if (nbdkit_peer_name(&peer.any, &length) == -1) {
        peer.any.sa_family = AF_UNSPEC;
    }
    switch (peer.any.sa_family) {
    case AF_UNIX:
        identify_process(client);
        break;
    case AF_INET:
        client->kind = CLIENT_HOST;
        inet_ntop(AF_INET, &peer.v4.sin_addr, client->name, sizeof client->name);
        break;
    case AF_INET6:
        identify_host6(client, &peer.v6);
        break;
    case AF_VSOCK:
        client->kind = CLIENT_HOST;
        snprintf(client->name, sizeof client->name, "vsock %u", peer.vm.svm_cid);
        break;
    default:
        snprintf(client->name, sizeof client->name, "client without an address");
        break;
    }
}

bool client_equal(const struct client *a, const struct client *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case CLIENT_PROCESS:
        return a->pid == b->pid && a->uid == b->uid && a->start == b->start;
    case CLIENT_HOST:
        return strcmp(a->name, b->name) == 0;
    case CLIENT_LONE:
        break;
    }
    return false;
}
