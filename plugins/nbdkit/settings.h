/* The key=value parameters of the plugin, as nbdkit-varve-plugin(1) lists them. */
#ifndef NBDKIT_PLUGIN_SETTINGS_H
#define NBDKIT_PLUGIN_SETTINGS_H

#include <stdbool.h>

#include <varve/server.h>

struct settings {
    char *store;                /* absolute path */
    struct varve_tuning tuning; /* cache=, direct= */
    bool control;               /* false: control=no */
    char *control_path;         /* absolute, or NULL: in the store */
    char *socket;               /* a Unix socket that goes when the server goes, or NULL */
    unsigned clients;           /* connections at most, and places for negotiations */
    unsigned handshake;         /* seconds for a negotiation */
    int announce_fd;            /* where to print a line when ready, or -1 */
};

/* These return 0, or -1 after nbdkit_error. */
int settings_set(struct settings *settings, const char *key, const char *value);
int settings_complete(const struct settings *settings);
/* Yields announce_fd, or -1; the caller closes it. */
int settings_take_announce(struct settings *settings);
void settings_free(struct settings *settings);

extern const char settings_help[];

#define SETTINGS_DEFAULT                                                                           \
    {                                                                                              \
        .control = true, .clients = 512, .handshake = 60, .announce_fd = -1                        \
    }

#endif
