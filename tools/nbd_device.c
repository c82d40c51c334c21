#include "nbd_device.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/nbd-netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <varve/error.h>

#include "program.h"

enum { SECTOR = 512 }; /* the volume's: partitions made on a larger one do not fit another attach */

static int fail_netlink(int code, const char *what)
{
    return varve_fail(EIO, "the kernel's nbd driver %s: %s", what, nl_geterror(code));
}

/* A socket to the driver, and the driver's number among the families. */
static int open_family(struct nl_sock **ret_socket, int *ret_family)
{
    struct nl_sock *socket = nl_socket_alloc();
    int code = socket ? genl_connect(socket) : -NLE_NOMEM;

    if (code == 0) {
        code = genl_ctrl_resolve(socket, NBD_GENL_FAMILY_NAME);
    }
    if (code < 0) {
        nl_socket_free(socket);
        return fail_netlink(code, "does not answer");
    }
    *ret_socket = socket;
    *ret_family = code;
    return 0;
}

bool nbd_available(void)
{
    const char *const modprobe[] = {"modprobe", "-q", "nbd", "max_part=16", NULL};
    struct nl_sock *socket;
    int family, error = open_family(&socket, &family);

    if (error && program_run(modprobe, NULL) == 0) {
        error = open_family(&socket, &family);
    }
    if (error) {
        return false;
    }
    nl_socket_free(socket);
    return true;
}

int nbd_find(const char *identity)
{
    char path[64 + NAME_MAX], line[PATH_MAX];
    DIR *blocks = opendir("/sys/block");
    struct dirent *entry;
    int found = -1;

    while (blocks && found == -1 && (entry = readdir(blocks))) {
        FILE *file;

        if (strncmp(entry->d_name, "nbd", 3) != 0) {
            continue;
        }
        snprintf(path, sizeof path, "/sys/block/%s/backend", entry->d_name);
        file = fopen(path, "re");
        if (!file) {
            continue;
        }
        if (fgets(line, sizeof line, file)) {
            line[strcspn(line, "\n")] = '\0';
            if (strcmp(line, identity) == 0) {
                found = (int)strtol(entry->d_name + 3, NULL, 10);
            }
        }
        fclose(file);
    }
    if (blocks) {
        closedir(blocks);
    }
    return found;
}

static int put_sockets(struct nl_msg *message, const struct nbd_sockets *sockets)
{
    struct nlattr *list = nla_nest_start(message, NBD_ATTR_SOCKETS);

    if (!list) {
        return -NLE_NOMEM;
    }
    for (int i = 0; i < sockets->count; i++) {
        struct nlattr *item = nla_nest_start(message, NBD_SOCK_ITEM);

        if (!item || nla_put_u32(message, NBD_SOCK_FD, (uint32_t)sockets->fds[i]) < 0) {
            return -NLE_NOMEM;
        }
        nla_nest_end(message, item);
    }
    nla_nest_end(message, list);
    return 0;
}

static int note_number(struct nl_msg *message, void *opaque)
{
    struct nlattr *attributes[NBD_ATTR_MAX + 1];
    int *number = opaque;

    if (genlmsg_parse(nlmsg_hdr(message), 0, attributes, NBD_ATTR_MAX, NULL) == 0 &&
        attributes[NBD_ATTR_INDEX]) {
        *number = (int)nla_get_u32(attributes[NBD_ATTR_INDEX]);
    }
    return NL_OK;
}

/* Sends the message, which is gone then, and waits for the driver's verdict. */
static int send_message(struct nl_sock *socket, struct nl_msg *message, int *number)
{
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, note_number, number);
    return nl_send_sync(socket, message);
}

static struct nl_msg *new_message(int family, uint8_t command)
{
    struct nl_msg *message = nlmsg_alloc();

    if (message &&
        !genlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0, command, NBD_GENL_VERSION)) {
        nlmsg_free(message);
        message = NULL;
    }
    return message;
}

int nbd_connect(const char *identity, const struct nbd_offer *offer,
                const struct nbd_sockets *sockets, struct nbd_waiting waiting, int *ret_number)
{
    struct nl_sock *socket;
    struct nl_msg *message;
    int family, number = -1, code = open_family(&socket, &family);

    if (code) {
        return code;
    }
    message = new_message(family, NBD_CMD_CONNECT);
    if (!message || nla_put_u64(message, NBD_ATTR_SIZE_BYTES, offer->size) < 0 ||
        nla_put_u64(message, NBD_ATTR_BLOCK_SIZE_BYTES, SECTOR) < 0 ||
        nla_put_u64(message, NBD_ATTR_SERVER_FLAGS, offer->flags) < 0 ||
        nla_put_u64(message, NBD_ATTR_TIMEOUT, (uint64_t)waiting.retry) < 0 ||
        nla_put_u64(message, NBD_ATTR_DEAD_CONN_TIMEOUT, (uint64_t)waiting.hold) < 0 ||
        nla_put_string(message, NBD_ATTR_BACKEND_IDENTIFIER, identity) < 0 ||
        put_sockets(message, sockets) < 0) {
        nlmsg_free(message);
        code = -NLE_NOMEM;
    } else {
        code = send_message(socket, message, &number);
    }
    nl_socket_free(socket);
    if (code < 0) {
        return fail_netlink(code, "makes no device");
    }
    if (number < 0 || nbd_find(identity) != number) {
        if (number >= 0) {
            nbd_disconnect(number);
        }
        return varve_fail(ENOSYS, "the kernel's nbd driver does not keep the identity of a device "
                                  "(Linux 5.14 does): try --driver fuse");
    }
    *ret_number = number;
    return 0;
}

int nbd_reconnect(const char *identity, int number, const struct nbd_sockets *sockets)
{
    struct nl_sock *socket;
    struct nl_msg *message;
    int family, code = open_family(&socket, &family);

    if (code) {
        return code;
    }
    message = new_message(family, NBD_CMD_RECONFIGURE);
    if (!message || nla_put_u32(message, NBD_ATTR_INDEX, (uint32_t)number) < 0 ||
        nla_put_string(message, NBD_ATTR_BACKEND_IDENTIFIER, identity) < 0 ||
        put_sockets(message, sockets) < 0) {
        nlmsg_free(message);
        code = -NLE_NOMEM;
    } else {
        code = send_message(socket, message, &number);
    }
    nl_socket_free(socket);
    return code < 0 ? fail_netlink(code, "takes no new socket") : 0;
}

int nbd_disconnect(int number)
{
    struct nl_sock *socket;
    struct nl_msg *message;
    int family, code = open_family(&socket, &family);

    if (code) {
        return code;
    }
    message = new_message(family, NBD_CMD_DISCONNECT);
    if (!message || nla_put_u32(message, NBD_ATTR_INDEX, (uint32_t)number) < 0) {
        nlmsg_free(message);
        code = -NLE_NOMEM;
    } else {
        code = send_message(socket, message, &number);
    }
    nl_socket_free(socket);
    return code < 0 ? fail_netlink(code, "does not let the device go") : 0;
}

int nbd_deaths_open(struct nl_sock **ret_deaths)
{
    struct nl_sock *socket;
    int family, group, code = open_family(&socket, &family);

    if (code) {
        return code;
    }
    group = genl_ctrl_resolve_grp(socket, NBD_GENL_FAMILY_NAME, NBD_GENL_MCAST_GROUP_NAME);
    code = group < 0 ? group : nl_socket_add_membership(socket, group);
    code = code < 0 ? code : nl_socket_set_nonblocking(socket);
    if (code < 0) {
        nl_socket_free(socket);
        return fail_netlink(code, "does not tell of lost connections");
    }
    nl_socket_disable_seq_check(socket);
    *ret_deaths = socket;
    return 0;
}

void nbd_deaths_close(struct nl_sock *deaths)
{
    nl_socket_free(deaths);
}

struct death_count {
    int number, count;
};

static int count_death(struct nl_msg *message, void *opaque)
{
    const struct genlmsghdr *header = nlmsg_data(nlmsg_hdr(message));
    struct death_count *deaths = opaque;
    int number = -1;

    if (header->cmd == NBD_CMD_LINK_DEAD) {
        note_number(message, &number);
        deaths->count += number == deaths->number;
    }
    return NL_OK;
}

int nbd_deaths_wait(struct nl_sock *deaths, int number, int milliseconds)
{
    struct pollfd wait = {.fd = nl_socket_get_fd(deaths), .events = POLLIN};
    struct death_count count = {.number = number};
    int code = 0;

    nl_socket_modify_cb(deaths, NL_CB_VALID, NL_CB_CUSTOM, count_death, &count);
    if (poll(&wait, 1, milliseconds) > 0) {
        do {
            code = nl_recvmsgs_default(deaths);
        } while (code >= 0 && poll(&wait, 1, 0) > 0);
    }
    if (code == -NLE_NOMEM) { /* ENOBUFS: what did not fit is lost */
        return INT_MAX;
    }
    return code < 0 && code != -NLE_AGAIN ? fail_netlink(code, "tells no more") : count.count;
}
