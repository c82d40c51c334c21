/* Reserved volumes: what is set aside for them, at clones, snapshots and rollbacks. */
#include <errno.h>

#include "trial_snapshots.h"

/* A reserved clone sets its whole size aside, since each of its blocks may be written. */
static void reserved_clone(void)
{
    struct varve *varve = trial_open(trial_make("reserved"), 0);
    struct varve_volume_options options = {.from = "a", .reserved = true};
    struct varve_volume volume;

    CHECK_EQ(trial_create(varve, "a", 80 * MIB), 0);
    put(varve, "a", 1, 0);
    CHECK_EQ(varve_volume_create(varve, "b", &options), 0);
    CHECK_EQ(varve_volume_show(varve, "b", &volume), 0);
    CHECK(volume.reserved);
    CHECK_EQ(varve_volume_create(varve, "c", &options), -ENOSPC);
    CHECK_EQ(varve_volume_delete(varve, "b"), 0);
    CHECK_EQ(varve_volume_create(varve, "c", &options), 0);
    close_checked(varve);
}

/* What a reserved volume would need after it is there, or nothing happens: also no snapshot. */
static void rollback_of_a_reserved_volume(void)
{
    struct varve *varve = trial_open(trial_make("thick"), 0);
    struct varve_volume_options options = {.size = 70 * MIB, .reserved = true};
    struct varve_volume volume;

    CHECK_EQ(varve_volume_create(varve, "a", &options), 0);
    put(varve, "a", 1, 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(varve_volume_resize(varve, "a", MIB), 0);
    put(varve, "a", 2, 0);
    CHECK_EQ(varve_volume_create(varve, "b", &options), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", true, NULL), -ENOSPC);
    CHECK_HAS(varve_error(), "volume 'a' is reserved");
    list_is(varve, NULL, "a@x ");
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK(volume.size == MIB && get(varve, "a", 0) == 2);
    CHECK_EQ(varve_volume_delete(varve, "b"), 0);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", false, NULL), 0);
    CHECK_EQ(get(varve, "a", 0), 1);
    CHECK_EQ(varve_volume_create(varve, "b", &options), -ENOSPC);
    close_checked(varve);
}

/* What is not saved comes back and counts as room; a snapshot needs room for all to be written
 * again. */
static void room_of_a_reserved_volume(void)
{
    struct varve *varve = trial_open(trial_make("room"), 0);
    struct varve_volume_options options = {.size = 30 * MIB, .reserved = true};
    struct varve_volume volume;
    uint64_t others = 0;

    CHECK_EQ(varve_volume_create(varve, "a", &options), 0);
    CHECK_EQ(snap(varve, "a@x"), 0);
    for (uint64_t at = 0; at < options.size; at += PIECE)
        put(varve, "a", 1, at);
    for (int i = 0; i < 100; i++) { /* until there is room for less than a holds */
        char name[8];

        snprintf(name, sizeof name, "b%d", i);
        options.size = 8 * MIB;
        if (varve_volume_create(varve, name, &options) != 0)
            break;
        others++;
    }
    CHECK(others > 2 && others < 100);
    CHECK_EQ(snap(varve, "a@y"), -ENOSPC);
    CHECK_HAS(varve_error(), "volume 'a' is reserved, and a snapshot needs as much free space");
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", true, NULL), -ENOSPC);
    list_is(varve, NULL, "a@x ");
    CHECK_EQ(get(varve, "a", 0), 1);
    CHECK_EQ(varve_volume_rollback(varve, "a", "a@x", false, NULL), 0);
    CHECK_EQ(varve_volume_show(varve, "a", &volume), 0);
    CHECK(volume.mapped_bytes == 0 && get(varve, "a", 0) == 0);
    /* and all of it can be written: the room was kept for it */
    for (uint64_t at = 0; at < 30 * MIB; at += PIECE)
        put(varve, "a", 2, at);
    CHECK_EQ(snap(varve, "a@y"), -ENOSPC);
    for (uint64_t i = 0; i < others; i++) {
        char name[8];

        snprintf(name, sizeof name, "b%d", (int)i);
        CHECK_EQ(varve_volume_delete(varve, name), 0);
    }
    CHECK_EQ(snap(varve, "a@y"), 0);
    close_checked(varve);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"reserved clone", reserved_clone},
        {"rollback of a reserved volume", rollback_of_a_reserved_volume},
        {"room of a reserved volume", room_of_a_reserved_volume},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
