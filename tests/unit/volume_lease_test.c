/* Who may write: one client, until its last connection closes or it is fenced. */
#include "volume/lease.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <varve/export.h>
#include <varve/snapshot.h>

#include "io/io_file.h"
#include "trial_store.h"

static struct varve *varve;

static void begin(const char *name)
{
    varve = trial_open(trial_make(name), 0);
    CHECK_EQ(trial_create(varve, "a", MIB), 0);
}

static void end(void)
{
    CHECK_EQ(varve_close(varve), 0);
}

static struct varve_export *connected(const char *client)
{
    struct varve_export *export = NULL;

    CHECK_EQ(varve_export_open(varve, "a", client, false, &export), 0);
    return export;
}

static int write_one(struct varve_export *export)
{
    return varve_export_write(export, "w", 1, 5, 0);
}

static const char *writer(void)
{
    static struct varve_volume volume;

    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    return volume.writer;
}

static void one_client_writes(void)
{
    struct varve_export *a, *b;

    begin("one");
    a = connected("pid 1");
    b = connected("pid 2");
    CHECK(varve_export_can_write(a) && varve_export_can_write(b));
    CHECK(strcmp(writer(), "") == 0);
    CHECK_EQ(write_one(a), 0);
    CHECK(strcmp(writer(), "pid 1") == 0);
    CHECK(varve_export_can_write(a) && !varve_export_can_write(b));
    CHECK_EQ(write_one(b), -EPERM);
    CHECK_HAS(varve_error(), "volume 'a' is being written by pid 1");
    CHECK_EQ(varve_export_trim(b, 512, 0, 0), -EPERM);
    CHECK_EQ(varve_export_zero(b, 512, 0, 0), -EPERM);
    CHECK_EQ(varve_export_read(b, &(char){0}, 1, 5), 0);
    CHECK_EQ(varve_export_flush(b), 0);
    varve_export_close(a);
    CHECK(strcmp(writer(), "") == 0);
    CHECK_EQ(write_one(b), 0);
    varve_export_close(b);
    end();
}

static void connections_of_one_client_share(void)
{
    struct varve_export *a, *a2, *b;

    begin("share");
    a = connected("pid 1");
    a2 = connected("pid 1");
    b = connected("pid 2");
    CHECK_EQ(write_one(a), 0);
    CHECK_EQ(write_one(a2), 0);
    varve_export_close(a);
    CHECK_EQ(write_one(b), -EPERM);
    CHECK_EQ(write_one(a2), 0);
    varve_export_close(a2);
    CHECK_EQ(write_one(b), 0);
    varve_export_close(b);
    end();
}

static void release_fences_for_ever(void)
{
    struct varve_export *a, *a2, *again, *b;

    begin("release");
    a = connected("pid 1");
    a2 = connected("pid 1");
    b = connected("pid 2");
    CHECK_EQ(varve_volume_release(varve, "a", false), 0);
    CHECK_EQ(write_one(a), 0);
    CHECK_EQ(varve_volume_release(varve, "a", false), -EBUSY);
    CHECK_HAS(varve_error(), "written by pid 1");
    CHECK_EQ(varve_volume_release(varve, "a", true), 0);
    CHECK(strcmp(writer(), "") == 0);
    CHECK_EQ(write_one(a), -EPERM);
    CHECK_HAS(varve_error(), "taken away from this connection");
    CHECK_EQ(write_one(a2), -EPERM);
    CHECK(!varve_export_can_write(a) && !varve_export_can_write(a2));
    CHECK_EQ(write_one(b), 0);
    varve_export_close(b);
    CHECK_EQ(write_one(a), -EPERM);
    again = connected("pid 1");
    CHECK_EQ(write_one(again), 0);
    CHECK_EQ(write_one(a), -EPERM);
    varve_export_close(again);
    varve_export_close(a);
    varve_export_close(a2);
    end();
}

static void shared_lets_all_write(void)
{
    struct varve_export *a, *b;

    begin("shared");
    a = connected("pid 1");
    b = connected("pid 2");
    CHECK_EQ(write_one(a), 0);
    CHECK_EQ(varve_volume_set_shared(varve, "a", true), 0);
    CHECK(strcmp(writer(), "") == 0);
    CHECK_EQ(write_one(b), 0);
    CHECK_EQ(write_one(a), 0);
    CHECK_EQ(varve_volume_set_shared(varve, "a", false), -EBUSY);
    CHECK_HAS(varve_error(), "2 clients are connected");
    varve_export_close(b);
    CHECK_EQ(varve_volume_set_shared(varve, "a", false), 0);
    b = connected("pid 2");
    CHECK_EQ(write_one(a), 0);
    CHECK_EQ(write_one(b), -EPERM);
    varve_export_close(a);
    varve_export_close(b);
    end();
}

/* Names that differ only after what is shown of them are two clients all the same. */
static void long_names_of_clients(void)
{
    char one[400], other[400];
    struct varve_export *a, *b;

    memset(one, 'x', sizeof one);
    memset(other, 'x', sizeof other);
    one[399] = other[399] = '\0';
    other[398] = 'y';
    begin("long");
    a = connected(one);
    b = connected(other);
    CHECK_EQ(write_one(a), 0);
    CHECK_EQ(write_one(b), -EPERM);
    CHECK_EQ(strlen(writer()), VARVE_HOLDER_MAX - 1);
    varve_export_close(a);
    varve_export_close(b);
    end();
}

/* --- what a client that comes back is told ------------------------------------------------------
 */

static bool told(const char *client, const char *ending)
{
    struct varve_export *export = connected(client);
    const char *lease = strstr(varve_export_description(export), ", lease");
    bool equal = strcmp(lease == NULL ? "" : lease, ending) == 0;

    varve_export_close(export);
    return equal;
}

static void write_as(const char *client)
{
    struct varve_export *export = connected(client);

    CHECK_EQ(write_one(export), 0);
    varve_export_close(export);
}

static void who_comes_back_learns_of_others(void)
{
    const char *const volumes[] = {"a"};
    const struct varve_snapshot_options options = {.name = "s"};
    struct varve_snapshot snapshot;

    begin("back");
    CHECK(told("pid 1", ""));
    write_as("pid 1");
    CHECK(told("pid 1", ""));
    CHECK(told("pid 2", ", lease 1"));
    write_as("pid 1");
    CHECK(told("pid 1", ""));
    CHECK(told("pid 2", ", lease 2"));

    /* the server dies, and another client is there before the first one is back */
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(scratch_path("back"), 0);
    CHECK(told("pid 1", ""));
    write_as("pid 2");
    CHECK(told("pid 2", ", lease 2"));
    CHECK(told("pid 1", ", lease 3"));
    write_as("pid 2");
    CHECK(told("pid 1", ", lease 4"));
    CHECK(told("pid 2", ", lease 2"));

    /* nobody wrote, but the volume holds something else */
    CHECK_EQ(varve_snapshot_create(varve, volumes, 1, &options, &snapshot), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@s", false, NULL), 0);
    CHECK(told("pid 2", ", lease 5"));
    end();
}

static void of_many_writers_nobody_is_told(void)
{
    begin("many");
    CHECK_EQ(varve_volume_set_shared(varve, "a", true), 0);
    write_as("pid 1");
    write_as("pid 2");
    CHECK(told("pid 1", ""));
    end();
}

/* --- the fence against a write that is under way, on the leases themselves -------------------- */

static void record_nothing(void *opaque, uint64_t image, const char *client)
{
    (void)opaque;
    (void)image;
    (void)client;
}

static struct attachment_table *table;
static struct seat holder, rival;
static _Atomic int released, granted;

static void *release(void *opaque)
{
    char name[160];

    (void)opaque;
    lease_release(table, 1, name);
    released = 1;
    return NULL;
}

static void *take_over(void *opaque)
{
    (void)opaque;
    if (lease_enter(table, &rival) == 0)
        granted = 1;
    return NULL;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
}

static void release_waits_for_writes_under_way(void)
{
    const char *dir = trial_make("drain");
    pthread_t releaser, taker;
    struct store *store = NULL;
    struct io *io = NULL;
    uint64_t image = 0;

    released = granted = 0;
    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(store_open(io, NULL, &store), 0);
    CHECK_EQ(store_image_create(store, MIB, 0, "", &image), 0);
    CHECK_EQ(image, 1);
    CHECK_EQ(attachment_table_new(store, record_nothing, NULL, &table), 0);
    CHECK_EQ(seat_take(table, image, "a", false, "pid 1", &holder), 0);
    CHECK_EQ(seat_take(table, image, "a", false, "pid 2", &rival), 0);
    CHECK_EQ(lease_enter(table, &holder), 0);
    CHECK_EQ(pthread_create(&releaser, NULL, release, NULL), 0);
    nap();
    CHECK_EQ(pthread_create(&taker, NULL, take_over, NULL), 0);
    nap();
    /* Neither may go on while the old write could still land. */
    CHECK_EQ(released, 0);
    CHECK_EQ(granted, 0);
    CHECK_EQ(lease_is_open_to(table, &holder), false);
    lease_leave(table, &holder);
    CHECK_EQ(pthread_join(releaser, NULL), 0);
    CHECK_EQ(pthread_join(taker, NULL), 0);
    CHECK_EQ(released, 1);
    CHECK_EQ(granted, 1);
    CHECK_EQ(lease_enter(table, &holder), -EPERM);
    lease_leave(table, &rival);
    seat_leave(table, &holder);
    seat_leave(table, &rival);
    attachment_table_free(table);
    CHECK_EQ(store_shutdown(store), 0);
    store_close(store);
    io_close(io);
}

/* Many threads write, connect and are released at once: never do two clients hold the lease. */
enum { RACERS = 4, ROUNDS = 400 };
static _Atomic int inside[RACERS];
static _Atomic int overlaps, writes;

static void *race(void *opaque)
{
    int self = *(int *)opaque;
    char client[16];

    snprintf(client, sizeof client, "pid %d", self);
    for (int round = 0; round < ROUNDS; round++) {
        struct seat seat;

        if (seat_take(table, 1, "a", false, client, &seat) != 0)
            return NULL;
        for (int i = 0; i < 10; i++) {
            if (lease_enter(table, &seat) != 0)
                continue;
            inside[self] = 1;
            for (int other = 0; other < RACERS; other++)
                overlaps += other != self && inside[other];
            writes++;
            inside[self] = 0;
            lease_leave(table, &seat);
        }
        if (round % 7 == self) {
            char name[160];

            lease_release(table, 1, name);
        }
        seat_leave(table, &seat);
    }
    return NULL;
}

static void no_two_clients_write_at_once(void)
{
    const char *dir = trial_make("race");
    int numbers[RACERS];
    pthread_t threads[RACERS];
    struct store *store = NULL;
    struct seat first;
    struct io *io = NULL;
    uint64_t image = 0;

    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(store_open(io, NULL, &store), 0);
    CHECK_EQ(store_image_create(store, MIB, 0, "", &image), 0);
    CHECK_EQ(attachment_table_new(store, record_nothing, NULL, &table), 0);
    /* Keeps the image open: opening is the caller's to serialize, and not what is raced here. */
    CHECK_EQ(seat_take(table, image, "a", false, "watcher", &first), 0);
    for (int i = 0; i < RACERS; i++) {
        numbers[i] = i;
        CHECK_EQ(pthread_create(&threads[i], NULL, race, &numbers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(overlaps, 0);
    CHECK(writes > 0);
    seat_leave(table, &first);
    attachment_table_free(table);
    CHECK_EQ(store_shutdown(store), 0);
    store_close(store);
    io_close(io);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"one client writes", one_client_writes},
        {"connections of one client share", connections_of_one_client_share},
        {"release fences for ever", release_fences_for_ever},
        {"shared lets all write", shared_lets_all_write},
        {"long names of clients", long_names_of_clients},
        {"who comes back learns of others", who_comes_back_learns_of_others},
        {"of many writers nobody is told", of_many_writers_nobody_is_told},
        {"release waits for writes under way", release_waits_for_writes_under_way},
        {"no two clients write at once", no_two_clients_write_at_once},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
