#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <varve/control.h>
#include <varve/error.h>
#include <varve/server.h>

#include "connection.h"
#include "gate.h"
#include "handshake.h"
#include "listener.h"
#include "lookahead.h"
#include "negotiation.h"
#include "own_socket.h"
#include "readiness.h"
#include "request.h"
#include "settings.h"
#include "stop.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct settings settings = SETTINGS_DEFAULT;
static struct varve *store;
static struct varve_control *control;

struct varve *plugin_store(void)
{
    return store;
}

static int plugin_config(const char *key, const char *value)
{
    return settings_set(&settings, key, value);
}

static int plugin_config_complete(void)
{
    return settings_complete(&settings);
}

/* nbdkit 1.32 dies of an assertion when a client vanishes with several reads in flight and
 * the plugin is PARALLEL; with one worker for each connection it is immune. So ask the nbdkit that
 * loaded us, which need not be the one whose header we saw, for a function that came with 1.34. */
static int plugin_thread_model(void)
{
    return dlsym(RTLD_DEFAULT, "nbdkit_disconnect") ? NBDKIT_THREAD_MODEL_PARALLEL
                                                    : NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS;
}

/* What opening found and set right, and what the background ran into since the last time. */
struct note_count {
    unsigned seen, printed;
};
static struct note_count notes;

static void print_note(void *opaque, const char *line)
{
    struct note_count *count = opaque;

    if (++count->seen > count->printed) {
        fprintf(stderr, "varve: %s\n", line);
        count->printed = count->seen;
    }
}

static void print_notes(void)
{
    notes.seen = 0;
    varve_notes(store, print_note, &notes);
}

static void remove_socket(void)
{
    struct stat status;

    if (settings.socket && lstat(settings.socket, &status) == 0 && S_ISSOCK(status.st_mode)) {
        unlink(settings.socket);
    }
}

/* Ends everything that uses the store, then the store. Also for what was only half started. */
static void close_store(void)
{
    stop_unwatch();
    handshake_stop();
    varve_control_stop(control);
    control = NULL;
    connection_close_all();
    print_notes();
    if (varve_close(store)) {
        nbdkit_error("closing the store: %s", varve_error());
    }
    store = NULL;
    remove_socket();
    stop_done();
}

/* The last moment whose messages reach the user: open, lock and recover. */
static int plugin_get_ready(void)
{
    int error;

    varve_error_clear();
    settings.tuning.serial = plugin_thread_model() != NBDKIT_THREAD_MODEL_PARALLEL;
    settings.tuning.client_ended = connection_client_ended;
    error = varve_open(settings.store, 0, &settings.tuning, &store);
    if (error) {
        store = NULL;
        nbdkit_error("%s", *varve_error() ? varve_error() : strerror(-error));
        remove_socket();
        return -1;
    }
    print_notes();
    return 0;
}

static int plugin_preconnect(int read_only)
{
    (void)read_only;
    return gate_is_closed() || handshake_begin() ? -1 : 0;
}

static void *plugin_open(int read_only)
{
    struct own_socket socket = own_socket_find();

    if (settings.tuning.serial) {
        lookahead_begin(socket.fd);
    }
    return connection_open(read_only, socket);
}

static int plugin_after_fork(void)
{
    int error;

    stop_block_signals();
    listener_find();
    varve_error_clear();
    error = varve_start(store);
    if (error) {
        nbdkit_error("cannot start the store's threads: %s", varve_error());
        goto failed;
    }
    if (settings.control) {
        error = varve_control_start(store, settings.control_path, &control);
        if (error) {
            nbdkit_error("cannot open the control door: %s", varve_error());
            goto failed;
        }
    }
    connection_limit(settings.clients);
    error = handshake_start(settings.clients, settings.handshake);
    if (error) {
        nbdkit_error("cannot watch over negotiations: %s", strerror(error));
        goto failed;
    }
    error = stop_watch();
    if (error) {
        nbdkit_error("cannot watch for signals: %s", strerror(error));
        goto failed;
    }
    readiness_announce(settings.store, settings_take_announce(&settings));
    return 0;

failed:
    close_store();
    return -1;
}

static void plugin_cleanup(void)
{
    close_store();
}

/* Without .after_fork there was no .cleanup. */
static void plugin_unload(void)
{
    if (store) {
        close_store();
    }
    settings_free(&settings);
}

static struct nbdkit_plugin plugin = {
    .name = "varve",
    .longname = "varve volumes",
    .version = VARVE_VERSION,
    .description = "Serves the volumes of a varve store; the export's name is the volume's.",
    .magic_config_key = "store",
    .config = plugin_config,
    .config_complete = plugin_config_complete,
    .config_help = settings_help,
    .thread_model = plugin_thread_model,
    .get_ready = plugin_get_ready,
    .after_fork = plugin_after_fork,
    .cleanup = plugin_cleanup,
    .unload = plugin_unload,

    .list_exports = offer_exports,
    .default_export = offer_default_export,
    .preconnect = plugin_preconnect,
    .open = plugin_open,
    .close = connection_close,
    .export_description = offer_description,
    .get_size = offer_size,
    .block_size = offer_block_size,
    .can_write = offer_write,
    .can_flush = offer_always,
    .can_trim = offer_always,
    .can_zero = offer_always,
    .can_fast_zero = offer_always,
    .can_extents = offer_always,
    .can_multi_conn = offer_always,
    .can_fua = offer_fua,
    .can_cache = offer_cache,

    .pread = request_read,
    .pwrite = request_write,
    .flush = request_flush,
    .trim = request_trim,
    .zero = request_zero,
    .extents = request_extents,
    .cache = request_cache,
    /* the code that refuse() set is the one that counts */
    .errno_is_preserved = 0,
};

struct nbdkit_plugin *plugin_init(void);
NBDKIT_REGISTER_PLUGIN(plugin)
