/*
 * Endings, beginnings, and the comparison in between.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "counts.h"
#include "play.h"
#include "varve/error.h"

static const char *const stops[] = {"kill", "failed store", "power cut"};

static void report(void *opaque, const char *line)
{
    (void)opaque;
    printf("     check: %s\n", line);
}

void play_check(struct play *play)
{
    struct store_check_result result = {0};
    int rc = store_check(play->store, STORE_CHECK_DATA, report, NULL, &result);

    if (rc != 0 && !sim_disk_is_dead(play->disk))
        play_failed(play, "store_check says %d", rc);
    if (rc == 0 && result.problems != 0)
        play_failed(play, "store_check found %llu problems", (unsigned long long)result.problems);
    if (rc == 0 && result.images != model_now(play->history)->count)
        play_failed(play, "store_check counts %llu images, not %zu",
                    (unsigned long long)result.images, model_now(play->history)->count);
}

void play_compare(struct play *play)
{
    struct model_state found;
    char why[512];
    int rc = model_state_read(play->store, &play->chance, &found);

    if (rc != 0 && sim_disk_is_dead(play->disk))
        return;
    if (rc != 0)
        play_failed(play, "reading all images fails with %d", rc);
    if (!model_state_is(&found, model_now(play->history), NULL, why, sizeof(why)))
        play_failed(play, "%s", why);
    model_state_drop(&found);
}

static void close_store(struct play *play)
{
    store_close(play->store);
    play->store = NULL;
    if (sim_disk_memory(play->disk) != 0)
        play_failed(play, "%llu bytes of memory were not freed",
                    (unsigned long long)sim_disk_memory(play->disk));
}

void play_restart(struct play *play)
{
    int rc = store_shutdown(play->store);

    if (sim_disk_is_dead(play->disk))
        return;
    if (rc != 0)
        play_failed(play, "store_shutdown says %d", rc);
    model_flushed(play->history);
    close_store(play);
    sim_disk_reboot(play->disk);
    rc = store_open(sim_disk_io(play->disk), &play->options, &play->store);
    if (rc != 0)
        play_failed(play, "store_open after a shutdown says %d", rc);
    play_compare(play);
}

/* Opens; with `cut_again` the power may go, or the process die, while it does, up to some times.
 * *stop becomes MODEL_CUT when the power went. */
static void open_again(struct play *play, enum model_stop *stop, bool cut_again)
{
    for (unsigned tries = 0;; tries++) {
        bool cut = cut_again && tries < 4 && chance_hit(&play->chance, 1, 2), kill = false;

        /* A stage that was left has the sizes of a server before. */
        if (chance_hit(&play->chance, 1, 4))
            play->options.extent_slots ^= 1;

        uint64_t at = sim_disk_events(play->disk) + 1 + chance_below(&play->chance, 60);
        enum sim_outcome outcome = (enum sim_outcome)chance_below(&play->chance, 3);
        int rc;

        if (cut) {
            kill = chance_hit(&play->chance, 1, 3);
            if (kill)
                sim_disk_kill_at(play->disk, at, outcome);
            else
                sim_disk_cut_at(play->disk, at, outcome);
        }
        rc = store_open(sim_disk_io(play->disk), &play->options, &play->store);
        if (!sim_disk_is_dead(play->disk)) {
            sim_disk_cut_at(play->disk, 0, SIM_NONE);
            if (rc == 0)
                return;
            play_failed(play, "store_open after a stop says %d", rc);
        }
        if (!kill)
            *stop = MODEL_CUT;
        count_case(kill ? COUNT_KILLS : COUNT_RECOVERY_CUTS, 1);
        if (play->verbose)
            printf("       stopped in recovery by a %s at event %llu\n",
                   stops[kill ? MODEL_KILLED : MODEL_CUT],
                   (unsigned long long)sim_disk_events(play->disk));
        if (rc == 0)
            close_store(play);
        sim_disk_reboot(play->disk);
    }
}

/* The same from a store that is opened only to be read: on a copy, since that must not change
 * anything. */
static void recover_read_only(const struct play *play, enum model_stop stop)
{
    struct sim_fault no_change = {.kinds = SIM_CHANGES, .nth = 1, .forever = true, .error = EIO};
    struct play copy = *play;
    struct model_state found;
    char why[512];
    int rc;

    copy.disk = sim_disk_copy(play->disk, 1);
    copy.history = model_history_copy(play->history);
    copy.options.read_only = true;
    sim_disk_fail(copy.disk, &no_change);
    rc = store_open(sim_disk_io(copy.disk), &copy.options, &copy.store);
    if (rc != 0)
        play_failed(play, "store_open after a %s, to read only, says %d", stops[stop], rc);
    rc = model_state_read(copy.store, &copy.chance, &found);
    if (rc != 0)
        play_failed(play, "reading all images of a store that is open to read fails with %d", rc);
    if (!model_found(copy.history, &found, stop, why, sizeof(why)))
        play_failed(play, "after a %s, open to read only: %s", stops[stop], why);
    play_check(&copy);
    if (sim_disk_struck(copy.disk) != sim_disk_struck(play->disk))
        play_failed(play, "a store that is open to read only writes");
    play_end(&copy);
}

void play_recover(struct play *play, enum model_stop stop, bool cut_again)
{
    struct model_state found;
    char why[512];
    int rc;

    if (play->verbose)
        printf("       stopped by a %s at event %llu\n", stops[stop],
               (unsigned long long)sim_disk_events(play->disk));
    if (stop != MODEL_FAILED)
        count_case(stop == MODEL_CUT ? COUNT_POWER_CUTS : COUNT_KILLS, 1);
    close_store(play);
    sim_disk_reboot(play->disk);
    if (chance_hit(&play->chance, 1, 4))
        recover_read_only(play, stop);
    open_again(play, &stop, cut_again);
    rc = model_state_read(play->store, &play->chance, &found);
    if (rc != 0)
        play_failed(play, "reading all images after a stop fails with %d", rc);
    if (!model_found(play->history, &found, stop, why, sizeof(why)))
        play_failed(play, "after a %s: %s", stops[stop], why);
    if (play->verbose)
        printf("       recovered after a %s\n", stops[stop]);
}
