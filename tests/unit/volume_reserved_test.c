/* Reserved volumes: what is set aside for them, at clones, snapshots and rollbacks. */
#include <errno.h>

#include "trial_snapshots.h"
#include "volume/guard.h"

static uint64_t set_aside(struct varve *varve, const char *name)
{
    struct varve_volume volume;

    CHECK_EQ(varve_volume_show(varve, name, &volume), 0);
    return volume.set_aside_bytes;
}

/* Deletes are counted down, and what is shared after them. */
static void settle(struct varve *varve)
{
    CHECK_EQ(store_settle(varve->store), 0);
}

/* What a snapshot makes the volume share is set aside with it, is used up by writes and trims, and
 * comes back with the snapshot. */
static void snapshot_of_a_reserved_volume(void)
{
    struct varve *varve = trial_open(trial_make("shared"), 0);
    struct varve_volume_options options = {.size = 20 * MIB, .reserved = true};
    struct varve_stats before, after;

    CHECK_EQ(varve_volume_create(varve, "a", &options), 0);
    CHECK_EQ(set_aside(varve, "a"), 20 * MIB);
    for (uint64_t at = 0; at < 2 * MIB; at += PIECE)
        put(varve, "a", 1, at);
    CHECK_EQ(set_aside(varve, "a"), 18 * MIB);
    varve_get_stats(varve, &before);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(set_aside(varve, "a"), 20 * MIB);
    varve_get_stats(varve, &after);
    CHECK(after.reserve_bytes >= before.reserve_bytes + 2 * MIB);
    for (uint64_t at = 0; at < MIB; at += PIECE)
        put(varve, "a", 2, at);
    CHECK_EQ(set_aside(varve, "a"), 19 * MIB);
    CHECK_EQ(snap(varve, "a@y"), 0);
    CHECK_EQ(set_aside(varve, "a"), 20 * MIB);
    /* the first: of it the volume has a half still, which nothing else holds but y */
    CHECK_EQ(varve_snapshot_delete(varve, "a@x"), 0);
    settle(varve);
    CHECK_EQ(set_aside(varve, "a"), 20 * MIB);
    CHECK_EQ(varve_snapshot_delete(varve, "a@y"), 0);
    settle(varve);
    CHECK_EQ(set_aside(varve, "a"), 18 * MIB);
    varve_get_stats(varve, &after);
    CHECK_EQ(after.reserve_bytes, before.reserve_bytes);
    close_checked(varve);
}

/* Others use all space that is left; what the snapshot set aside is not theirs. */
static void others_do_not_take_it(void)
{
    struct varve *varve = trial_open(trial_make("others"), 0);
    struct varve_volume_options options = {.size = 20 * MIB, .reserved = true};
    struct varve_export *export = NULL;
    static unsigned char piece[16 * PIECE];
    int r = 0;

    CHECK_EQ(varve_volume_create(varve, "a", &options), 0);
    CHECK_EQ(trial_create(varve, "b", 1024 * MIB), 0);
    CHECK_EQ(varve_export_open(varve, "a", "writer", false, &export), 0);
    memset(piece, 1, sizeof piece);
    for (uint64_t at = 0; at < 20 * MIB; at += sizeof piece)
        CHECK_EQ(varve_export_write(export, piece, sizeof piece, at, 0), 0);
    varve_export_close(export);
    CHECK_EQ(snap(varve, "a@x"), 0);
    CHECK_EQ(varve_export_open(varve, "b", "writer", false, &export), 0);
    for (uint64_t at = 0; r == 0 && at < 1024 * MIB; at += sizeof piece)
        r = varve_export_write(export, piece, sizeof piece, at, 0);
    varve_export_close(export);
    CHECK_EQ(r, -ENOSPC);
    CHECK_EQ(varve_sync(varve), 0);
    CHECK_EQ(varve_export_open(varve, "a", "writer", false, &export), 0);
    memset(piece, 2, sizeof piece);
    for (uint64_t at = 0; at < 20 * MIB; at += sizeof piece)
        CHECK_EQ(varve_export_write(export, piece, sizeof piece, at, 0), 0);
    varve_export_close(export);
    CHECK_EQ(set_aside(varve, "a"), 0);
    CHECK_EQ(snap(varve, "a@y"), -ENOSPC);
    CHECK_HAS(varve_error(), "bytes are missing");
    CHECK_EQ(get(varve, "a@x", 19 * MIB), 1);
    CHECK_EQ(varve_snapshot_delete(varve, "a@x"), 0);
    CHECK_EQ(snap(varve, "a@y"), 0);
    CHECK_EQ(set_aside(varve, "a"), 20 * MIB);
    close_checked(varve);
}

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
    CHECK_HAS(varve_error(),
              "volume 'a' is reserved, and a snapshot sets aside as much free space");
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
        {"snapshot of a reserved volume", snapshot_of_a_reserved_volume},
        {"others do not take it", others_do_not_take_it},
        {"reserved clone", reserved_clone},
        {"rollback of a reserved volume", rollback_of_a_reserved_volume},
        {"room of a reserved volume", room_of_a_reserved_volume},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
