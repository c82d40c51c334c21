/* Snapshots, clones and rollback: what they hold, what they refuse, and that all space comes back.
 */
#include <errno.h>
#include <stdlib.h>
#include <varve/export.h>
#include <varve/hold.h>
#include <varve/snapshot.h>

#include "trial_snapshots.h"
#include "volume/schedule.h"

static int clone_of(struct varve *varve, const char *name, const char *from, uint64_t size)
{
    const struct varve_volume_options options = {.from = from, .size = size};

    return varve_volume_create(varve, name, &options);
}

static void holds_its_time(void)
{
    struct varve *varve = trial_open(trial_make("time"), 0);
    struct varve_snapshot shown;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    put(varve, "a", 1, 0);
    CHECK_EQ(snap(varve, "a@one"), 0);
    put(varve, "a", 2, 0);
    CHECK_EQ(snap(varve, "a@two"), 0);
    put(varve, "a", 3, 0);
    CHECK_EQ(varve_volume_resize(varve, "a", 2 * MIB), 0);
    CHECK_EQ(get(varve, "a@one", 0), 1);
    CHECK_EQ(get(varve, "a@two", 0), 2);
    CHECK_EQ(get(varve, "a", 0), 3);
    CHECK_EQ(varve_snapshot_show(varve, "a@one", &shown), 0);
    CHECK_EQ(shown.size, MIB);
    CHECK_EQ(shown.mapped_bytes, PIECE);
    CHECK_HAS(shown.message, "m");
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(scratch_path("time"), 0);
    CHECK_EQ(get(varve, "a@one", 0), 1);
    CHECK_EQ(get(varve, "a@two", 0), 2);
    list_is(varve, NULL, "a@one a@two ");
    close_checked(varve);
}

static void group_is_all_or_none(void)
{
    struct varve *varve = trial_open(trial_make("group"), 0);
    const char *const good[] = {"a", "b@own"}, *const taken[] = {"b", "a"};
    const char *const twice[] = {"a", "b", "a@x"}, *const absent[] = {"a", "c"};
    struct varve_snapshot_options options = {.name = "g", .hold = "kept"};
    struct varve_snapshot snapshots[3];

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(trial_create(varve, "b", MIB), 0);
    CHECK_EQ(varve_snapshot_create(varve, good, 2, &options, snapshots), 0);
    CHECK(strcmp(snapshots[0].ref, "a@g") == 0 && strcmp(snapshots[1].ref, "b@own") == 0);
    CHECK_EQ(snapshots[0].holds, 1);
    CHECK_EQ(varve_snapshot_create(varve, taken, 2, &options, snapshots), -EEXIST);
    CHECK_EQ(varve_snapshot_create(varve, twice, 3, &options, snapshots), -EINVAL);
    options.name = NULL;
    CHECK_EQ(varve_snapshot_create(varve, absent, 2, &options, snapshots), -ENOENT);
    CHECK_EQ(varve_snapshot_create(varve, good, 0, &options, snapshots), -EINVAL);
    CHECK_EQ(varve_snapshot_create(varve, good, VARVE_SNAPSHOT_GROUP_MAX + 1, &options, snapshots),
             -EINVAL);
    list_is(varve, NULL, "a@g b@own ");
    close_checked(varve);
}

/* The largest group, and a name from the time that is taken already for one of them. */
static void largest_group(void)
{
    enum { COUNT = VARVE_SNAPSHOT_GROUP_MAX };
    struct varve *varve = trial_open(trial_make("largest"), 0);
    static char names[COUNT][8];
    static const char *volumes[COUNT];
    static struct varve_snapshot snapshots[COUNT];
    const struct varve_snapshot_options options = {.message = NULL};

    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "v%d", i);
        volumes[i] = names[i];
        CHECK_EQ(trial_create(varve, names[i], MIB), 0);
    }
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(varve_snapshot_create(varve, volumes, COUNT, &options, snapshots), 0);
        for (int i = 1; i < COUNT; i++)
            CHECK(strcmp(snapshots[i].name, snapshots[0].name) == 0);
    }
    close_checked(varve);
}

static void frozen_is_only_read(void)
{
    struct varve *varve = trial_open(trial_make("frozen"), 0);
    struct varve_export *first = NULL, *second = NULL;
    char byte = 1;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    put(varve, "a", 5, 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(varve_export_open(varve, "a@x", "one", false, &first), 0);
    CHECK_EQ(varve_export_open(varve, "a@x", "two", false, &second), 0);
    CHECK(!varve_export_can_write(first) && !varve_export_can_write(second));
    CHECK_HAS(varve_export_description(first), "snapshot a@x, 1 MiB, frozen, image ");
    CHECK_EQ(varve_export_write(first, &byte, 1, 0, 0), -EPERM);
    CHECK_HAS(varve_error(), "a@x");
    CHECK_EQ(varve_export_trim(second, PIECE, 0, 0), -EPERM);
    CHECK_EQ(varve_export_zero(second, PIECE, 0, VARVE_FUA), -EPERM);
    CHECK_EQ(varve_export_read(second, &byte, 1, 9), 0);
    CHECK_EQ(byte, 5);
    CHECK_EQ(varve_snapshot_delete(varve, "a@x"), -EBUSY);
    CHECK_HAS(varve_error(), "attached");
    varve_export_close(first);
    varve_export_close(second);
    CHECK_EQ(varve_snapshot_delete(varve, "a@x"), 0);
    CHECK_EQ(varve_export_open(varve, "a@x", "one", false, &first), -ENOENT);
    close_checked(varve);
}

static void clones(void)
{
    struct varve *varve = trial_open(trial_make("clones"), 0);
    struct varve_volume volume;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    put(varve, "a", 1, 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(clone_of(varve, "b", "a@x", 0), 0);
    CHECK_EQ(clone_of(varve, "c", "b", 3 * MIB), 0);
    put(varve, "b", 2, 0);
    put(varve, "c", 3, 2 * MIB);
    CHECK_EQ(get(varve, "a@x", 0), 1);
    CHECK_EQ(get(varve, "b", 0), 2);
    CHECK_EQ(get(varve, "c", 0), 1);
    CHECK_EQ(get(varve, "c", 2 * MIB), 3);
    CHECK_EQ(varve_volume_show(varve, "c", &volume), 0);
    CHECK_EQ(volume.size, 3 * MIB);
    CHECK_EQ(clone_of(varve, "d", "c", MIB), -EINVAL);
    CHECK_EQ(clone_of(varve, "d", "c", 3 * MIB + 1), -EINVAL);
    CHECK_EQ(clone_of(varve, "d", "x@y", 0), -ENOENT);
    CHECK_EQ(clone_of(varve, "b", "a@x", 0), -EEXIST);
    CHECK_EQ(trial_create(varve, "d", 0), -EINVAL);
    close_checked(varve);
}

static void rollback(void)
{
    struct varve *varve = trial_open(trial_make("rollback"), 0);
    struct varve_export *export = NULL;
    struct varve_snapshot saved;
    struct varve_volume volume;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(trial_create(varve, "b", MIB), 0);
    put(varve, "a", 1, 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    put(varve, "a", 2, 0);
    put(varve, "a", 2, PIECE);
    CHECK_EQ(varve_volume_resize(varve, "a", 2 * MIB), 0);
    CHECK_EQ(varve_volume_rollback(varve, "b", "a@x", true, &saved), -EINVAL);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@y", true, &saved), -ENOENT);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a", true, &saved), -EINVAL);
    CHECK_EQ(varve_export_open(varve, "a", "me", true, &export), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", true, &saved), -EBUSY);
    varve_export_close(export);
    CHECK_EQ(varve_hold_add(varve, "a", "because", NULL), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", true, &saved), -EBUSY);
    CHECK_HAS(varve_error(), "because");
    list_is(varve, NULL, "a@x ");
    unsigned released = 0;
    CHECK_EQ(varve_hold_release(varve, "a", &released), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", true, &saved), 0);
    CHECK_EQ(get(varve, "a", 0), 1);
    CHECK_EQ(get(varve, "a", PIECE), 0);
    CHECK_EQ(get(varve, saved.ref, PIECE), 2);
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK_EQ(volume.size, MIB);
    CHECK_EQ(varve_volume_rollback(varve, "a", saved.ref, false, NULL), 0);
    CHECK_EQ(get(varve, "a", PIECE), 2);
    put(varve, "a", 7, 0);
    CHECK_EQ(get(varve, "a@x", 0), 1);
    close_checked(varve);
}

static void settle(struct varve *varve, struct varve_stats *ret_stats)
{
    CHECK_EQ(store_settle(varve->store), 0);
    varve_get_stats(varve, ret_stats);
}

/* Snapshots, clones and volumes, deleted in an order that a seed decides: then all is as before. */
static void space_comes_back(void)
{
    enum { ROUNDS = 12, THINGS = 12 };
    struct varve *varve = trial_open(trial_make("space"), 0);
    struct varve_stats before, after;

    /* the store's own first pages */
    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_volume_delete(varve, "a"), 0);
    settle(varve, &before);
    for (unsigned seed = 1; seed <= ROUNDS; seed++) {
        unsigned state = seed, left = THINGS + 1;
        char things[THINGS + 1][16] = {"a"};

        CHECK_EQ(trial_create(varve, "a", 8 * MIB), 0);
        for (int i = 1; i <= THINGS; i++) {
            snprintf(things[i], sizeof things[i], i % 3 == 0 ? "c%d" : "a@s%d", i);
            for (int j = 0; j < 6; j++)
                put(varve, "a", i, (uint64_t)(rand_r(&state) % 2000) * PIECE);
            CHECK_EQ(i % 3 == 0 ? clone_of(varve, things[i], things[i - 1], 0)
                                : snap(varve, things[i]),
                     0);
            if (i % 3 == 0)
                put(varve, things[i], 100 + i, (uint64_t)(rand_r(&state) % 2000) * PIECE);
        }
        while (left > 0) {
            unsigned pick = (unsigned)rand_r(&state) % left--;

            CHECK_EQ(strchr(things[pick], '@') != NULL ? varve_snapshot_delete(varve, things[pick])
                                                       : varve_volume_delete(varve, things[pick]),
                     0);
            memmove(things[pick], things[left], sizeof things[pick]);
        }
        settle(varve, &after);
        /* the history of it all grows */
        CHECK_EQ(after.used_bytes - after.catalog_bytes, before.used_bytes - before.catalog_bytes);
        CHECK_EQ(after.metadata_bytes, before.metadata_bytes);
        CHECK_EQ(after.mapped_bytes, 0);
    }
    close_checked(varve);
}

static void outlive_their_volume(void)
{
    struct varve *varve = trial_open(trial_make("outlive"), 0);

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    put(varve, "a", 1, 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(snap(varve, "a@y"), 0);
    CHECK_EQ(trial_create(varve, "b", MIB), 0);
    CHECK_EQ(varve_volume_delete(varve, "a"), 0);
    CHECK_EQ(get(varve, "a@x", 0), 1);
    CHECK_EQ(trial_create(varve, "a", MIB), -EEXIST);
    CHECK_EQ(clone_of(varve, "a", "b", 0), -EEXIST);
    CHECK_EQ(varve_volume_rename(varve, "b", "a"), -EEXIST);
    CHECK_EQ(clone_of(varve, "a", "a@x", 0), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@y", false, NULL), 0);
    CHECK_EQ(varve_volume_rename(varve, "a", "z"), 0);
    list_is(varve, "z", "z@x z@y ");
    CHECK_EQ(varve_snapshot_delete(varve, "z@x"), 0);
    CHECK_EQ(varve_snapshot_delete(varve, "z@y"), 0);
    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    close_checked(varve);
}

static void read_only_store(void)
{
    struct varve *varve = trial_open(trial_make("readonly"), 0);

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    put(varve, "a", 4, 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(varve_close(varve), 0);
    varve = trial_open(scratch_path("readonly"), VARVE_OPEN_READ_ONLY);
    CHECK_EQ(snap(varve, "a@y"), -EROFS);
    CHECK_EQ(varve_snapshot_delete(varve, "a@x"), -EROFS);
    CHECK_EQ(varve_snapshot_set_message(varve, "a@x", "m2"), -EROFS);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", true, NULL), -EROFS);
    CHECK_EQ(varve_schedule_set(varve, "a", 60, 1), -EROFS);
    CHECK_EQ(varve_schedule_remove(varve, "a", 60), -EROFS);
    CHECK_EQ(get(varve, "a@x", 0), 4);
    list_is(varve, "a", "a@x ");
    CHECK_EQ(varve_close(varve), 0);
}

/* --- schedules: time is what the test says it is ---- */

static unsigned count_of(struct varve *varve, const char *volume)
{
    char text[TRIAL_TEXT] = "";
    unsigned count = 0;

    CHECK_EQ(varve_snapshot_list(varve, volume, add_ref, text), 0);
    for (const char *c = text; *c != '\0'; c++)
        count += *c == ' ';
    return count;
}

static void schedule_keeps_the_newest(void)
{
    struct varve *varve = trial_open(trial_make("schedule"), 0);
    const int64_t start = 1767323045; /* 2026-01-02 03:04:05 UTC */
    struct varve_export *export = NULL;
    int64_t next = 0;

    CHECK_EQ(schedules_run(varve, start, &next), 0);
    CHECK(next == INT64_MAX);
    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_schedule_set(varve, "a", 3600, 2), 0);
    CHECK_EQ(schedules_run(varve, start, &next), 0);
    CHECK_EQ(next, start + 3600);
    list_is(varve, "a", "a@20260102-030405 ");
    CHECK_EQ(schedules_run(varve, start + 3599, &next), 0);
    CHECK_EQ(count_of(varve, "a"), 1);
    CHECK_EQ(snap(varve, "a@mine"), 0);
    /* ten intervals without a server are one snapshot */
    CHECK_EQ(schedules_run(varve, start + 36000, &next), 0);
    CHECK_EQ(next, start + 39600);
    list_is(varve, "a", "a@20260102-030405 a@mine a@20260102-130405 ");
    CHECK_EQ(schedules_run(varve, start + 39600, &next), 0);
    list_is(varve, "a", "a@mine a@20260102-130405 a@20260102-140405 ");
    /* what is attached or held stays, besides the newest two */
    CHECK_EQ(varve_export_open(varve, "a@20260102-130405", "me", true, &export), 0);
    CHECK_EQ(varve_hold_add(varve, "a@20260102-140405", "why", NULL), 0);
    CHECK_EQ(schedules_run(varve, start + 43200, &next), 0);
    CHECK_EQ(schedules_run(varve, start + 46800, &next), 0);
    CHECK_EQ(schedules_run(varve, start + 50400, &next), 0);
    list_is(varve, "a",
            "a@mine a@20260102-130405 a@20260102-140405 a@20260102-160405 a@20260102-170405 ");
    varve_export_close(export);
    /* the clock is set back: one at once, then again in an hour */
    CHECK_EQ(schedules_run(varve, start + 100, &next), 0);
    CHECK_EQ(next, start + 100 + 3600);
    CHECK_EQ(schedules_run(varve, start + 200, &next), 0);
    list_is(varve, "a", "a@mine a@20260102-140405 a@20260102-170405 a@20260102-030545 ");
    CHECK_EQ(varve_close(varve), 0);

    /* another opening goes on where the first one was */
    varve = trial_open(scratch_path("schedule"), 0);
    CHECK_EQ(schedules_run(varve, start + 300, &next), 0);
    CHECK_EQ(next, start + 100 + 3600);
    CHECK_EQ(count_of(varve, "a"), 4);
    CHECK_EQ(varve_schedule_remove(varve, "a", 0), 0);
    CHECK_EQ(varve_schedule_remove(varve, "a", 0), -ENOENT);
    CHECK_EQ(schedules_run(varve, start + 99999, &next), 0);
    CHECK_EQ(count_of(varve, "a"), 4);
    close_checked(varve);
}

static void schedules_of_one_volume(void)
{
    struct varve *varve = trial_open(trial_make("several"), 0);
    int64_t next = 0;

    CHECK_EQ(trial_create(varve, "a", MIB), 0);
    CHECK_EQ(varve_schedule_set(varve, "a", 60, 3), 0);
    CHECK_EQ(varve_schedule_set(varve, "a", 120, 1), 0);
    for (int64_t now = 1000; now < 1000 + 600; now += 30)
        CHECK_EQ(schedules_run(varve, now, &next), 0);
    CHECK_EQ(count_of(varve, "a"), 4);
    CHECK_EQ(varve_schedule_set(varve, "a", 60, 1), 0);
    CHECK_EQ(schedules_run(varve, 2000, &next), 0);
    CHECK_EQ(count_of(varve, "a"), 2);
    CHECK_EQ(varve_schedule_set(varve, "a", 0, 1), -EINVAL);
    CHECK_EQ(varve_schedule_set(varve, "a", VARVE_SCHEDULE_EVERY_MAX + 1, 1), -EINVAL);
    CHECK_EQ(varve_schedule_set(varve, "a", 60, 0), -EINVAL);
    CHECK_EQ(varve_schedule_set(varve, "a", 60, VARVE_SCHEDULE_KEEP_MAX + 1), -EINVAL);
    CHECK_EQ(varve_schedule_set(varve, "absent", 60, 1), -ENOENT);
    close_checked(varve);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"holds its time", holds_its_time},
        {"group is all or none", group_is_all_or_none},
        {"largest group", largest_group},
        {"frozen is only read", frozen_is_only_read},
        {"clones", clones},
        {"rollback", rollback},
        {"space comes back", space_comes_back},
        {"outlive their volume", outlive_their_volume},
        {"read only store", read_only_store},
        {"schedule keeps the newest", schedule_keeps_the_newest},
        {"schedules of one volume", schedules_of_one_volume},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
