/*
 * Everything at once: clients that write and verify, connect and leave, while volumes are made,
 * renamed, grown, released and deleted, snapshots of all of them taken, read, cloned, rolled back
 * to and deleted, a schedule runs, volumes are compacted and scrubbed, and the background works.
 * Afterwards every reference is recounted. VARVE_STRESS_SECONDS says how long.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <varve/compact.h>
#include <varve/export.h>
#include <varve/progress.h>
#include <varve/scrub.h>
#include <varve/snapshot.h>

#include "store/store_scrub.h"
#include "trial_store.h"
#include "volume/served_store.h"

enum { WRITERS = 3, SLOT = 3000, SLOTS = 300, SECONDS = 3 };

static struct varve *varve;
static _Atomic int stop, failures, rounds, scrubs;
static _Atomic uint64_t moved;

static void failed(const char *what)
{
    if (failures++ < 5)
        printf("%s: %s\n", what, varve_error());
}

/* Writes slots of its own volume and reads them back: nobody else holds its lease. */
static void *write_and_verify(void *opaque)
{
    unsigned self = *(unsigned *)opaque, seed = self + 1;
    static _Thread_local unsigned char out[SLOT], in[SLOT];
    char name[16], client[16];

    snprintf(name, sizeof name, "own-%u", self);
    snprintf(client, sizeof client, "pid %u", self);
    while (!stop) {
        struct varve_export *export = NULL;

        if (varve_export_open(varve, name, client, false, &export) != 0) {
            failed("open");
            break;
        }
        for (int i = 0; i < 20 && !stop; i++) {
            uint64_t offset = (uint64_t)(rand_r(&seed) % SLOTS) * SLOT;

            memset(out, rand_r(&seed), SLOT);
            if (varve_export_write(export, out, SLOT, offset, i % 9 == 0 ? VARVE_FUA : 0) != 0 ||
                varve_export_read(export, in, SLOT, offset) != 0)
                failed("own volume");
            else if (memcmp(in, out, SLOT) != 0)
                failed("read other bytes than were written");
            rounds++;
        }
        varve_export_close(export);
    }
    return NULL;
}

/* Takes part in the fight for one volume, and frees it by force now and then. */
static void *fight(void *opaque)
{
    unsigned self = *(unsigned *)opaque, seed = self + 77;
    char client[16];

    snprintf(client, sizeof client, "rival %u", self);
    while (!stop) {
        struct varve_export *export = NULL;

        if (varve_export_open(varve, "common", client, false, &export) != 0) {
            failed("open common");
            break;
        }
        for (int i = 0; i < 10; i++) {
            int r = varve_export_write(export, client, 8, 4096 * (uint64_t)(rand_r(&seed) % 64), 0);

            if (r != 0 && r != -EPERM)
                failed("common volume");
        }
        if (rand_r(&seed) % 4 == 0 && varve_volume_release(varve, "common", true) != 0)
            failed("release");
        varve_export_close(export);
    }
    return NULL;
}

/* What a client reads of a frozen image, twice: it must not have changed meanwhile. */
static void read_frozen(const char *ref)
{
    static _Thread_local unsigned char first[SLOT * 4], second[SLOT * 4];
    struct varve_export *export = NULL;

    if (varve_export_open(varve, ref, "freezer", false, &export) != 0) {
        failed("open a snapshot");
        return;
    }
    if (varve_export_write(export, "x", 1, 0, 0) != -EPERM)
        failed("a write to a snapshot was not refused");
    if (varve_export_read(export, first, sizeof first, 0) != 0 ||
        varve_export_read(export, second, sizeof second, 0) != 0)
        failed("read a snapshot");
    else if (memcmp(first, second, sizeof first) != 0)
        failed("a snapshot changed");
    varve_export_close(export);
}

/* Takes snapshots of all that is written, clones one, rolls the clone back, and deletes all of it
 * in changing orders. */
static void *freeze(void *opaque)
{
    static const char *const volumes[] = {"common", "own-0", "own-1", "own-2"};
    const struct varve_volume_options from = {.from = "own-1@f"};
    const struct varve_snapshot_options named = {.name = "f"}, bare = {.message = "of a clone"};
    struct varve_snapshot taken[4], saved;
    unsigned seed = 9;

    (void)opaque;
    while (!stop) {
        const char *const clone = "clone";

        if (varve_snapshot_create(varve, volumes, 4, &named, taken) != 0 ||
            varve_volume_create(varve, clone, &from) != 0 ||
            varve_snapshot_create(varve, &clone, 1, &bare, taken) != 0)
            failed("snapshots");
        read_frozen("own-1@f");
        if (varve_volume_rollback(varve, clone, taken[0].ref, true, &saved) != 0)
            failed("rollback");
        if (rand_r(&seed) % 2 == 0 && varve_snapshot_delete(varve, taken[0].ref) != 0)
            failed("delete a snapshot");
        else if (varve_volume_delete(varve, clone) != 0)
            failed("delete a clone");
        while (varve_volume_delete(varve, clone) == 0 ||
               varve_snapshot_delete(varve, taken[0].ref) == 0)
            continue;
        if (varve_snapshot_delete(varve, saved.ref) != 0)
            failed("delete what was saved");
        for (unsigned i = 0, first = (unsigned)rand_r(&seed); i < 4; i++) {
            char ref[32];

            snprintf(ref, sizeof ref, "%s@f", volumes[(first + i) % 4]);
            if (varve_snapshot_delete(varve, ref) != 0)
                failed("delete a snapshot");
        }
    }
    return NULL;
}

static int count_one(void *opaque, const struct varve_volume *volume)
{
    (void)volume;
    ++*(int *)opaque;
    return 0;
}

static void *administer(void *opaque)
{
    unsigned seed = 5;

    (void)opaque;
    while (!stop) {
        struct varve_export *export = NULL;
        struct varve_stats stats;
        int count = 0;

        if (trial_create(varve, "passing", MIB) != 0 ||
            varve_export_open(varve, "passing", "admin", false, &export) != 0 ||
            varve_export_write(export, "passing", 7, (uint64_t)rand_r(&seed) % MIB / 2, 0) != 0)
            failed("passing volume");
        varve_export_close(export);
        if (varve_volume_resize(varve, "passing", 2 * MIB) != 0 ||
            varve_volume_resize(varve, "passing", MIB / 2) != 0 ||
            varve_volume_rename(varve, "passing", "gone") != 0 ||
            varve_volume_delete(varve, "gone") != 0)
            failed("passing volume");
        if (varve_volume_list(varve, count_one, &count) != 0 || count < WRITERS + 1)
            failed("list");
        varve_get_stats(varve, &stats);
    }
    return NULL;
}

/* Moves what the others write and share. */
static void *compact(void *opaque)
{
    static const char *const volumes[] = {"own-0", "own-1", "common"};
    struct varve_compact_result result;

    (void)opaque;
    for (unsigned i = 0; !stop; i++)
        if (varve_compact(varve, volumes[i % 3], 0, &result) != 0)
            failed("compact");
        else
            moved += result.moved;
    return NULL;
}

static void report(void *opaque, const char *line)
{
    (void)opaque;
    printf("problem: %s\n", line);
}

static void false_alarm(void *opaque, const char *line)
{
    (void)opaque;
    printf("the scrub takes for damage: %s\n", line);
    failures++;
}

/* Pass after pass: nothing is damaged, whatever changes under it. */
static void *scrub(void *opaque)
{
    struct varve_scrub_result result;

    while (!stop) {
        if (varve_scrub(varve, 0, false_alarm, NULL, &result) != 0)
            failed("scrub");
        scrubs++;
    }
    return opaque;
}

static void everything_at_once(void)
{
    enum { THREADS = WRITERS + 6 };
    unsigned numbers[THREADS];
    pthread_t threads[THREADS];
    struct varve_check_result result;
    char name[16];

    varve = trial_open(trial_make("stress"), 0);
    CHECK_EQ(varve_start(varve), 0);
    CHECK_EQ(trial_create(varve, "common", MIB), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        snprintf(name, sizeof name, "own-%u", i);
        CHECK_EQ(trial_create(varve, name, MIB), 0);
    }
    CHECK_EQ(varve_schedule_set(varve, "own-0", 1, 1), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK_EQ(pthread_create(&threads[i], NULL,
                                i < WRITERS       ? write_and_verify
                                : i < THREADS - 4 ? fight
                                : i < THREADS - 3 ? freeze
                                : i < THREADS - 2 ? compact
                                : i < THREADS - 1 ? scrub
                                                  : administer,
                                &numbers[i]),
                 0);
    }
    nanosleep(&(struct timespec){.tv_sec = trial_seconds(SECONDS)}, NULL);
    stop = 1;
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(failures, 0);
    CHECK(rounds > 0);
    CHECK(moved > 0);
    CHECK(scrubs > 0);
    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, report, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(scratch_path("stress"), VARVE_OPEN_READ_ONLY);
    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, report, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(varve_close(varve), 0);
}

/* 64 KiB a second: it would take a minute. */
static void *scrub_slowly(void *opaque)
{
    struct varve_scrub_result result;
    int *ret = opaque;

    CHECK_EQ(varve_operation_begin("slow", "a slow scrub"), 0);
    *ret = varve_scrub(varve, 64 << 10, false_alarm, NULL, &result);
    varve_operation_end();
    return NULL;
}

static void a_scrub_is_cancelled(void)
{
    struct varve_scrub_result result;
    pthread_t thread;
    int ret = 0;

    varve = trial_open(trial_make("cancelled"), 0);
    CHECK_EQ(trial_create(varve, "full", 4 * MIB), 0);
    {
        static unsigned char bytes[4 * MIB];
        struct varve_export *export = NULL;

        memset(bytes, 7, sizeof bytes);
        CHECK_EQ(varve_export_open(varve, "full", "pid 1", false, &export), 0);
        CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, 0, VARVE_FUA), 0);
        varve_export_close(export);
    }
    CHECK_EQ(pthread_create(&thread, NULL, scrub_slowly, &ret), 0);
    while (varve_operation_cancel("slow") != 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ret, -ECANCELED);
    /* the next pass begins at the beginning and comes to the end */
    CHECK_EQ(varve_scrub(varve, 0, false_alarm, NULL, &result), 0);
    CHECK(result.bytes_read >= 4 * MIB);
    CHECK_EQ(result.damaged, 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void *begin_scrubs(void *opaque)
{
    while (!stop) {
        struct store_scrub *begun = NULL;

        if (store_scrub_open(varve->store, &begun) != 0)
            failed("begin a scrub");
        store_scrub_close(begun);
        rounds++;
    }
    return opaque;
}

/* The superblock changes when a checkpoint ends, and a scrub looks at it when it begins. */
static void scrubs_begin_while_checkpoints_end(void)
{
    struct varve_export *export = NULL;
    pthread_t thread;

    varve = trial_open(trial_make("checkpoints"), 0);
    CHECK_EQ(trial_create(varve, "changing", MIB), 0);
    CHECK_EQ(varve_export_open(varve, "changing", "pid 1", false, &export), 0);
    stop = failures = rounds = 0;
    CHECK_EQ(pthread_create(&thread, NULL, begin_scrubs, NULL), 0);
    for (unsigned i = 0; i < 200 || rounds < 200; i++)
        if (varve_export_write(export, &i, sizeof i, 0, 0) != 0 ||
            store_checkpoint(varve->store) != 0)
            failed("checkpoint");
    stop = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(failures, 0);
    varve_export_close(export);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"everything at once", everything_at_once},
        {"a scrub is cancelled", a_scrub_is_cancelled},
        {"scrubs begin while checkpoints end", scrubs_begin_while_checkpoints_end}};

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
