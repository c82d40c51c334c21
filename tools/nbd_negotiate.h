/*
 * The client's side of the NBD handshake, up to where the kernel's driver takes the socket over:
 * fixed newstyle, NBD_OPT_GO, simple replies. libnbd cannot be asked for it: it does not give its
 * socket away.
 */
#ifndef TOOLS_NBD_NEGOTIATE_H
#define TOOLS_NBD_NEGOTIATE_H

#include <stdint.h>

enum { NBD_TEXT = 800 };

/* One of the flags of transmission: NBD_FLAG_READ_ONLY */
enum { NBD_READ_ONLY = 2 };

/* What a server offers under a name. Two offers that are equal, text included, are of the same
 * image in the same state: varve puts the image's number in the text. */
struct nbd_offer {
    uint64_t size;       /* bytes */
    uint16_t flags;      /* NBD_FLAG_..., of transmission */
    char text[NBD_TEXT]; /* what the server says the export is, cut; or "" */
};

/* Whether somebody listens on the Unix socket. */
int nbd_reach(const char *socket);

/* Connects to the Unix socket and asks for an export. On 0 *ret_fd is a socket in transmission, for
 * the caller to close. Else a negative errno with varve_error() set: what kept it from connecting,
 * -ETIMEDOUT, -EPROTO, or -ENOENT when the server refuses the export. */
int nbd_negotiate(const char *socket, const char *export, struct nbd_offer *ret_offer, int *ret_fd);

#endif
