/* A client that has gone stands in nobody's way: what it would forbid waits until its connections
 * are closed. */
#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <varve/export.h>

#include "trial_store.h"

static struct varve *varve;
static struct varve_export *gone, *here;

static bool is_gone(const char *client)
{
    return strcmp(client, "gone") == 0;
}

static void begin(const char *name)
{
    const struct varve_tuning tuning = {.client_ended = is_gone};

    CHECK_EQ(varve_open(trial_make(name), 0, &tuning, &varve), 0);
    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "gone", false, &gone), 0);
    CHECK_EQ(varve_export_open(varve, "a", "here", false, &here), 0);
    CHECK_EQ(varve_export_write(gone, "w", 1, 5, 0), 0);
}

static void *leave(void *opaque)
{
    const struct timespec moment = {.tv_nsec = 100000000};

    (void)opaque;
    nanosleep(&moment, NULL);
    varve_export_close(gone);
    return NULL;
}

static pthread_t leave_soon(void)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, leave, NULL), 0);
    return thread;
}

static void end(pthread_t leaving)
{
    CHECK_EQ(pthread_join(leaving, NULL), 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void the_next_can_write(void)
{
    pthread_t leaving;

    begin("write");
    leaving = leave_soon();
    CHECK(varve_export_can_write(here));
    CHECK_EQ(varve_export_write(here, "w", 1, 5, 0), 0);
    varve_export_close(here);
    end(leaving);
}

static void the_volume_can_be_deleted(void)
{
    pthread_t leaving;

    begin("delete");
    varve_export_close(here);
    leaving = leave_soon();
    CHECK_EQ(varve_volume_delete(varve, "a"), 0);
    end(leaving);
}

static void the_volume_is_no_longer_shared(void)
{
    pthread_t leaving;

    begin("shared");
    CHECK_EQ(varve_volume_set_shared(varve, "a", true), 0);
    CHECK_EQ(varve_export_write(here, "w", 1, 5, 0), 0);
    leaving = leave_soon();
    CHECK_EQ(varve_volume_set_shared(varve, "a", false), 0);
    varve_export_close(here);
    end(leaving);
}

/* One that never leaves is like one that is there. */
static void nobody_waits_for_ever(void)
{
    begin("ever");
    CHECK(!varve_export_can_write(here));
    varve_export_close(here);
    CHECK_EQ(varve_volume_delete(varve, "a"), -EBUSY);
    CHECK_HAS(varve_error(), "written by gone");
    varve_export_close(gone);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"the next can write", the_next_can_write},
        {"the volume can be deleted", the_volume_can_be_deleted},
        {"the volume is no longer shared", the_volume_is_no_longer_shared},
        {"nobody waits for ever", nobody_waits_for_ever},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
