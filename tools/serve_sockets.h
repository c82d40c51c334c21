/*
 * The listening sockets of `varve serve`. They are opened here and handed to nbdkit, which by
 * itself listens on one kind only, the way systemd hands sockets to a service: descriptors from 3
 * on, $LISTEN_FDS and $LISTEN_PID.
 *
 * All functions return EXIT_DONE, or print one sentence and return another exit code.
 */
#ifndef TOOLS_SERVE_SOCKETS_H
#define TOOLS_SERVE_SOCKETS_H

/* nbdkit takes no more */
enum { SERVE_SOCKETS_MAX = 16 };

struct serve_sockets {
    int count;
    int fds[SERVE_SOCKETS_MAX];
};

/* Listens on a Unix socket. One that a dead server left is replaced; one that answers is not. */
int serve_listen_unix(struct serve_sockets *sockets, const char *path);

/* Listens on "HOST:PORT", "[IPV6]:PORT", ":PORT" or "*:PORT" (all addresses); port 0: a free one.
 * A name with several addresses gives several sockets. */
int serve_listen_tcp(struct serve_sockets *sockets, const char *address);

/* Puts the sockets where the program that this process becomes will look for them. */
int serve_hand_over(struct serve_sockets *sockets);

#endif
