#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "catalog/catalog_leases.h"
#include "io/io_file.h"
#include "volume/catalog_copy.h"
#include "volume/schedule.h"
#include "volume/schedule_failure.h"
#include "volume/scrub_store.h"
#include "volume/served_store.h"

static void free_varve(struct varve *varve)
{
    catalog_close(varve->catalog);
    catalog_copy_free(varve->copy);
    attachment_table_free(varve->attachments);
    schedule_failures_free(varve);
    store_close(varve->store);
    io_close(varve->io);
    notes_free(varve->notes);
    pthread_mutex_destroy(&varve->names);
    free(varve->catalog_path);
    free(varve->directory);
    free(varve);
}

static int name_files(struct varve *varve, const char *dir)
{
    varve->directory = realpath(dir, NULL);
    if (varve->directory == NULL)
        return varve_fail(errno, "cannot find store '%s': %s; 'varve init' makes one", dir,
                          strerror(errno));
    if (asprintf(&varve->catalog_path, "%s/catalog.db", varve->directory) < 0) {
        varve->catalog_path = NULL;
        return varve_fail(ENOMEM, "no memory to open store '%s'", dir);
    }
    return notes_new(&varve->notes);
}

static void record_lease(void *opaque, uint64_t image, const char *client)
{
    struct varve *varve = opaque;
    struct catalog *catalog;
    int r;

    /* The write will be refused; and where the disk below fails both, a change of the catalog would
     * take the names away from those who still can read. */
    if (store_failed(varve->store))
        return;
    r = names_enter(varve, &catalog);
    if (r == 0) {
        r = catalog_lease_grant(catalog, image, client);
        names_leave(varve);
    }
    if (r != 0)
        note(varve,
             "that %s writes to image %" PRIu64 " could not be recorded, and a device that lost "
             "its server may not notice it: %s",
             client, image, varve_error());
}

static int open_store(struct varve *varve, unsigned flags, const struct varve_tuning *tuning)
{
    struct store_options options = {.inline_bytes = UINT64_MAX};
    unsigned io_flags = 0;
    int r;

    varve->read_only = (flags & VARVE_OPEN_READ_ONLY) != 0;
    options.read_only = varve->read_only;
    if (varve->read_only)
        io_flags |= IO_OPEN_READ_ONLY;
    if (tuning == NULL || !tuning->buffered_io)
        io_flags |= IO_OPEN_DIRECT;
    if (tuning != NULL) {
        options.cache_bytes = tuning->cache_bytes;
        options.stage_large = tuning->serial;
        varve->scrub_rate = tuning->scrub_rate;
    }
    r = io_open(varve->directory, io_flags, &varve->io);
    if (r == 0)
        r = store_open(varve->io, &options, &varve->store);
    if (r == 0)
        r = attachment_table_new(varve->store, record_lease, varve, &varve->attachments);
    if (r == 0 && tuning != NULL)
        attachment_table_await(varve->attachments, tuning->client_ended);
    return r;
}

int varve_open(const char *dir, unsigned flags, const struct varve_tuning *tuning,
               struct varve **ret_varve)
{
    struct varve *varve = calloc(1, sizeof *varve);
    int r;

    if (varve == NULL)
        return varve_fail(ENOMEM, "no memory to open store '%s'", dir);
    pthread_mutex_init(&varve->names, NULL);
    r = name_files(varve, dir);
    if (r == 0)
        r = open_store(varve, flags, tuning);
    if (r == 0)
        r = reconcile(varve);
    if (r != 0) {
        free_varve(varve);
        return r;
    }
    *ret_varve = varve;
    return 0;
}

int varve_start(struct varve *varve)
{
    int r;

    assert(varve->background == NULL);
    io_after_fork(varve->io);
    if (varve->read_only)
        return 0;
    r = background_start(varve, &varve->background);
    if (r == 0)
        r = schedule_thread_start(varve, &varve->schedules);
    if (r == 0 && varve->scrub_rate > 0)
        r = scrubber_start(varve, varve->scrub_rate, &varve->scrubber);
    return r;
}

void varve_reclaim(struct varve *varve, unsigned milliseconds)
{
    const uint64_t end = varve->io->ops->now(varve->io) + milliseconds * UINT64_C(1000000);

    while (!varve->read_only && store_step(varve->store, STORE_RECLAIM) == 1 &&
           varve->io->ops->now(varve->io) < end) {
    }
}

int varve_close(struct varve *varve)
{
    int r = 0;

    if (varve == NULL)
        return 0;
    schedule_thread_stop(varve->schedules);
    varve->schedules = NULL;
    scrubber_stop(varve->scrubber);
    background_stop(varve, varve->background);
    if (!varve->read_only)
        r = store_shutdown(varve->store);
    free_varve(varve);
    return r;
}

const char *varve_directory(const struct varve *varve)
{
    return varve->directory;
}

int varve_sync(struct varve *varve)
{
    return varve->read_only ? 0 : store_flush(varve->store);
}
