#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin.h"

const char settings_help[] =
    "store=DIR            (required) The store: a directory that `varve init` made.\n"
    "cache=SIZE           Memory for map pages, default 128M.\n"
    "scrub=SIZE           Scrub in the background, reading so much a second; default 0: not.\n"
    "direct=true|false    Write extents and journal past the page cache, default true.\n"
    "control=PATH|no      The socket of the control door, default DIR/control.sock.\n"
    "socket=PATH          A Unix socket to remove when the server ends.\n"
    "clients=N            Connections at once, default 512.\n"
    "handshake=SECONDS    Time for a client to negotiate, default 60.\n"
    "announce=true|false  Print a line on standard output when ready, default false.";

/* nbdkit goes to "/" when it forks, so that relative paths have to end here. */
static int set_path(char **path, const char *key, const char *value)
{
    char *absolute;

    if (value[0] == '\0') {
        nbdkit_error("%s= is empty: name a path", key);
        return -1;
    }
    absolute = nbdkit_absolute_path(value);
    if (!absolute) {
        return -1;
    }
    free(*path);
    *path = absolute;
    return 0;
}

static int set_switch(bool *on, const char *value)
{
    int parsed = nbdkit_parse_bool(value);

    if (parsed == -1) {
        return -1;
    }
    *on = parsed == 1;
    return 0;
}

static int set_direct(struct settings *settings, const char *value)
{
    bool on = true;
    int r = set_switch(&on, value);

    settings->tuning.buffered_io = !on;
    return r;
}

static int set_cache(struct settings *settings, const char *value)
{
    int64_t bytes = nbdkit_parse_size(value);

    if (bytes == -1) {
        return -1;
    }
    settings->tuning.cache_bytes = (uint64_t)bytes;
    return 0;
}

static int set_scrub(struct settings *settings, const char *value)
{
    int64_t bytes = nbdkit_parse_size(value);

    if (bytes == -1) {
        return -1;
    }
    settings->tuning.scrub_rate = (uint64_t)bytes;
    return 0;
}

static int set_control(struct settings *settings, const char *value)
{
    settings->control = strcmp(value, "no") != 0;
    return settings->control ? set_path(&settings->control_path, "control", value) : 0;
}

static int set_number(unsigned *number, const char *key, const char *value)
{
    unsigned parsed;

    if (nbdkit_parse_unsigned(key, value, &parsed) == -1) {
        return -1;
    }
    if (parsed == 0) {
        nbdkit_error("%s=0: it has to be 1 or more", key);
        return -1;
    }
    *number = parsed;
    return 0;
}

/* By the time the server is ready nbdkit has put /dev/null in the place of standard output: keep
 * what it is now, unless a client speaks NBD through it (-s). */
static int set_announce(struct settings *settings, const char *value)
{
    bool on;

    if (set_switch(&on, value) == -1) {
        return -1;
    }
    if (settings->announce_fd != -1) {
        close(settings->announce_fd);
        settings->announce_fd = -1;
    }
    if (on && nbdkit_stdio_safe()) {
        settings->announce_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (settings->announce_fd == -1) {
            nbdkit_error("announce=true: cannot keep standard output: %s", strerror(errno));
            return -1;
        }
    }
    return 0;
}

int settings_set(struct settings *settings, const char *key, const char *value)
{
    if (strcmp(key, "store") == 0) {
        return set_path(&settings->store, key, value);
    }
    if (strcmp(key, "cache") == 0) {
        return set_cache(settings, value);
    }
    if (strcmp(key, "scrub") == 0) {
        return set_scrub(settings, value);
    }
    if (strcmp(key, "direct") == 0) {
        return set_direct(settings, value);
    }
    if (strcmp(key, "control") == 0) {
        return set_control(settings, value);
    }
    if (strcmp(key, "socket") == 0) {
        return set_path(&settings->socket, key, value);
    }
    if (strcmp(key, "clients") == 0) {
        return set_number(&settings->clients, key, value);
    }
    if (strcmp(key, "handshake") == 0) {
        return set_number(&settings->handshake, key, value);
    }
    if (strcmp(key, "announce") == 0) {
        return set_announce(settings, value);
    }
    nbdkit_error(
        "unknown parameter '%s'; the varve plugin knows store, cache, scrub, direct, control, "
        "socket, clients, handshake and announce",
        key);
    return -1;
}

int settings_complete(const struct settings *settings)
{
    struct stat status;

    if (!settings->store) {
        nbdkit_error("no store was named: add store=DIR, a directory that `varve init` made");
        return -1;
    }
    if (stat(settings->store, &status) == -1) {
        nbdkit_error("cannot open store '%s': %s", settings->store, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(status.st_mode)) {
        nbdkit_error("store '%s' is not a directory; `varve init DIR` makes a store",
                     settings->store);
        return -1;
    }
    return 0;
}

int settings_take_announce(struct settings *settings)
{
    int fd = settings->announce_fd;

    settings->announce_fd = -1;
    return fd;
}

void settings_free(struct settings *settings)
{
    free(settings->store);
    free(settings->control_path);
    free(settings->socket);
    if (settings->announce_fd != -1) {
        close(settings->announce_fd);
    }
    *settings = (struct settings)SETTINGS_DEFAULT;
}
