#include "nbd_negotiate.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <varve/error.h>

/* doc/proto.md of the NBD project */
#define GREETING_MAGIC UINT64_C(0x4e42444d41474943) /* NBDMAGIC */
#define OPTION_MAGIC   UINT64_C(0x49484156454f5054) /* IHAVEOPT */
#define REPLY_MAGIC    UINT64_C(0x0003e889045565a9)

enum {
    FLAG_FIXED_NEWSTYLE = 1,
    FLAG_NO_ZEROES = 2,
    OPTION_GO = 7,
    REPLY_ACK = 1,
    REPLY_INFO = 3,
    INFO_EXPORT = 0,
    INFO_DESCRIPTION = 2,
    EXPORT_NAME_MAX = 4096,
    REPLY_MAX = 65536,
    ANSWER_SECONDS = 30, /* a server that starts listens before it answers */
};
static const uint32_t reply_error = UINT32_C(1) << 31;

struct greeting {
    uint64_t magic, option_magic;
    uint16_t flags;
} __attribute__((packed));

struct go_option {
    uint32_t client_flags; /* before the first option */
    uint64_t magic;
    uint32_t option, length;
    uint32_t name_length;
} __attribute__((packed));

struct go_information {
    uint16_t count, wanted;
} __attribute__((packed));

struct reply {
    uint64_t magic;
    uint32_t option, type, length;
} __attribute__((packed));

struct information_export {
    uint16_t type;
    uint64_t size;
    uint16_t flags;
} __attribute__((packed));

/* A connected socket, or a negative errno. */
static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof address.sun_path) {
        return varve_fail(ENAMETOOLONG, "the path of the socket '%s' is too long", path);
    }
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&address, sizeof address) == -1) {
        int error = varve_fail(errno, "cannot connect to '%s': %s", path, strerror(errno));

        if (fd != -1) {
            close(fd);
        }
        return error;
    }
    return fd;
}

int nbd_reach(const char *socket)
{
    int fd = open_socket(socket);

    if (fd < 0) {
        return fd;
    }
    close(fd);
    return 0;
}

/* The kernel works on the socket with whatever limits it finds there. */
static void limit_waiting(int fd, int seconds)
{
    struct timeval limit = {.tv_sec = seconds};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static int receive(int fd, void *to, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t more = recv(fd, (char *)to + done, length - done, 0);

        if (more > 0) {
            done += (size_t)more;
        } else if (more == 0) {
            return varve_fail(ECONNRESET, "the server hung up in the handshake");
        } else if (errno == EAGAIN) {
            return varve_fail(ETIMEDOUT, "the server does not answer");
        } else if (errno != EINTR) {
            return varve_fail(errno, "no handshake with the server: %s", strerror(errno));
        }
    }
    return 0;
}

static int send_all(int fd, const void *from, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t more = send(fd, (const char *)from + done, length - done, MSG_NOSIGNAL);

        if (more >= 0) {
            done += (size_t)more;
        } else if (errno != EINTR) {
            return varve_fail(errno, "no handshake with the server: %s", strerror(errno));
        }
    }
    return 0;
}

static int greet(int fd)
{
    struct greeting greeting;
    int error = receive(fd, &greeting, sizeof greeting);

    if (error) {
        return error;
    }
    if (be64toh(greeting.magic) != GREETING_MAGIC ||
        be64toh(greeting.option_magic) != OPTION_MAGIC ||
        !(be16toh(greeting.flags) & FLAG_FIXED_NEWSTYLE)) {
        return varve_fail(EPROTO, "what listens there is no NBD server of today");
    }
    return 0;
}

static int ask(int fd, const char *export)
{
    const struct go_information information = {.count = htobe16(1),
                                               .wanted = htobe16(INFO_DESCRIPTION)};
    const size_t length = strlen(export);
    struct go_option option = {
        .client_flags = htobe32(FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES),
        .magic = htobe64(OPTION_MAGIC),
        .option = htobe32(OPTION_GO),
        .length = htobe32((uint32_t)(sizeof option.name_length + length + sizeof information)),
        .name_length = htobe32((uint32_t)length),
    };
    int error;

    if (length > EXPORT_NAME_MAX) {
        return varve_fail(ENAMETOOLONG, "the name of the export is longer than %d bytes",
                          EXPORT_NAME_MAX);
    }
    error = send_all(fd, &option, sizeof option);
    error = error ? error : send_all(fd, export, length);
    return error ? error : send_all(fd, &information, sizeof information);
}

/* A piece of information, `length` bytes of it; of a kind that is not known nothing is taken. */
static void take_information(const char *data, size_t length, struct nbd_offer *offer,
                             bool *ret_sized)
{
    struct information_export export;
    uint16_t type;

    if (length < sizeof type) {
        return;
    }
    memcpy(&type, data, sizeof type);
    type = be16toh(type);
    if (type == INFO_EXPORT && length == sizeof export) {
        memcpy(&export, data, sizeof export);
        offer->size = be64toh(export.size);
        offer->flags = be16toh(export.flags);
        *ret_sized = true;
    } else if (type == INFO_DESCRIPTION) {
        snprintf(offer->text, sizeof offer->text, "%.*s", (int)(length - sizeof type),
                 data + sizeof type);
    }
}

static int take_replies(int fd, struct nbd_offer *offer)
{
    char data[REPLY_MAX + 1];
    bool sized = false;

    for (;;) {
        struct reply reply;
        uint32_t type, length;
        int error = receive(fd, &reply, sizeof reply);

        if (error) {
            return error;
        }
        type = be32toh(reply.type);
        length = be32toh(reply.length);
        if (be64toh(reply.magic) != REPLY_MAGIC || be32toh(reply.option) != OPTION_GO ||
            length > REPLY_MAX) {
            return varve_fail(EPROTO, "the server's answer is not NBD");
        }
        error = receive(fd, data, length);
        if (error) {
            return error;
        }
        data[length] = '\0';
        if (type & reply_error) {
            return varve_fail(ENOENT, "the server refuses the export%s%s", length ? ": " : "",
                              data);
        }
        if (type == REPLY_ACK) {
            return sized ? 0 : varve_fail(EPROTO, "the server does not tell the export's size");
        }
        if (type == REPLY_INFO) {
            take_information(data, length, offer, &sized);
        }
    }
}

int nbd_negotiate(const char *socket, const char *export, struct nbd_offer *ret_offer, int *ret_fd)
{
    struct nbd_offer offer = {0};
    int fd = open_socket(socket), error;

    if (fd < 0) {
        return fd;
    }
    limit_waiting(fd, ANSWER_SECONDS);
    if ((error = greet(fd)) || (error = ask(fd, export)) || (error = take_replies(fd, &offer))) {
        close(fd);
        return error;
    }
    limit_waiting(fd, 0);
    *ret_offer = offer;
    *ret_fd = fd;
    return 0;
}
