#include "sim_disk.h"

#include <errno.h>
#include <stdlib.h>

#include "chance.h"
#include "check.h"
#include "one_block.h"

static void only_what_was_synced_is_safe(void)
{
    for (int outcome = SIM_NONE; outcome <= SIM_ALL; outcome++) {
        struct sim_disk *disk = fresh(1);

        CHECK_EQ(put(disk, IO_EXTENTS, 1, 1, 0), 0);
        CHECK_EQ(put(disk, IO_JOURNAL, 1, 1, 0), 0);
        CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 2, 2, 0), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 3, 3, IO_DURABLE), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 1, 4, 0), 0);
        CHECK_EQ(get(disk, IO_EXTENTS, 1), 4);
        CHECK_EQ(get(disk, IO_JOURNAL, 1), 1);
        cut(disk, (enum sim_outcome)outcome);
        CHECK_EQ(get(disk, IO_EXTENTS, 1), outcome == SIM_ALL ? 4 : 1);
        CHECK_EQ(get(disk, IO_JOURNAL, 1), outcome == SIM_ALL ? 1 : 0);
        CHECK_EQ(get(disk, IO_EXTENTS, 2), outcome == SIM_ALL ? 2 : 0);
        CHECK_EQ(get(disk, IO_EXTENTS, 3), 3);
        sim_disk_free(disk);
    }
}

static void sync_does_not_cover_its_own_call(void)
{
    struct sim_disk *disk = fresh(2);
    struct io *io = sim_disk_io(disk);

    for (unsigned i = 0; i < 20; i++) { /* whatever the order */
        struct io_request requests[] = {writing(IO_EXTENTS, i, 5, 0),
                                        {.op = IO_SYNC, .file = IO_EXTENTS}};

        CHECK_EQ(io->ops->perform(io, requests, 2), 0);
        cut(disk, SIM_NONE);
        CHECK_EQ(get(disk, IO_EXTENTS, i), 0); /* but it covered the size, which was there before */
        CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
    }
    sim_disk_free(disk);
}

/* Durable bytes of a block are newer than what was pending on it: that cannot come back. */
static void durable_write_supersedes(void)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sim_disk *disk = fresh(seed);

        CHECK_EQ(put(disk, IO_EXTENTS, 1, 1, 0), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 1, 2, IO_DURABLE), 0);
        cut(disk, SIM_SOME);
        CHECK_EQ(get(disk, IO_EXTENTS, 1), 2);
        sim_disk_free(disk);
    }
}

/* Over some seeds everything that may happen does, and nothing else. */
static void some_of_them(void)
{
    unsigned one = 0, both = 0, none = 0, torn = 0, garbage = 0, older = 0;

    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct sim_disk *disk = fresh(seed);
        int first, second;

        CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 1, 6, 0), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 1, 7, 0), 0);
        CHECK_EQ(put(disk, IO_EXTENTS, 2, 8, 0), 0);
        cut(disk, SIM_SOME);
        second = get(disk, IO_EXTENTS, 2);
        first = get(disk, IO_EXTENTS, 1);
        CHECK(second == -1 || second == 0 || second == 8);
        CHECK(first == -1 || first == 0 || first == 6 || first == 7);
        older += first == 6;
        both += first > 0 && second > 0;
        none += first == 0 && second == 0;
        one += (first > 0 && second == 0) || (first == 0 && second > 0);
        for (unsigned at = 0; first == -1 && at < BLOCK; at += 512) {
            torn++;
            if (memcmp(back + at, back + at + 1, 511) != 0)
                garbage++;
            else
                CHECK(back[at] == 0 || back[at] == 6 || back[at] == 7);
        }
        sim_disk_free(disk);
    }
    CHECK(one > 50 && both > 50 && none > 50 && torn > 50 && garbage > 20 && older > 20);
}

static void size_is_pending_too(void)
{
    struct sim_disk *disk = fresh(3);
    struct io *io = sim_disk_io(disk);

    cut(disk, SIM_NONE);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 0);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 8 * BLOCK), 0);
    CHECK_EQ(put(disk, IO_EXTENTS, 3, 1, IO_DURABLE), 0);
    cut(disk, SIM_NONE);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 4 * BLOCK); /* it can be found */
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 8 * BLOCK), 0);
    CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
    cut(disk, SIM_NONE);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 8 * BLOCK);
    sim_disk_free(disk);
}

static void killed_process(void)
{
    struct sim_disk *disk = fresh(4);
    struct io *io = sim_disk_io(disk);
    unsigned char *stage;
    void *mapped;
    size_t found;

    CHECK_EQ(io->ops->stage_map(io, 2 * BLOCK, &mapped, &found), 0);
    stage = mapped;
    CHECK_EQ(found, 0);
    stage[BLOCK] = 9;
    CHECK_EQ(put(disk, IO_EXTENTS, 1, 1, 0), 0);
    sim_disk_kill(disk, SIM_NONE);
    stage[BLOCK] = 10; /* it does not know that it is dead */
    CHECK_EQ(put(disk, IO_EXTENTS, 1, 2, 0), -EIO);
    sim_disk_reboot(disk);
    CHECK_EQ(get(disk, IO_EXTENTS, 1), 1);
    CHECK_EQ(io->ops->stage_map(io, 2 * BLOCK, &mapped, &found), 0);
    stage = mapped;
    CHECK_EQ(found, 2 * BLOCK);
    CHECK_EQ(stage[BLOCK], 9);
    CHECK_EQ(stage[0], 0);
    sim_disk_reboot(disk); /* ended by itself: the same */
    CHECK_EQ(io->ops->stage_map(io, 2 * BLOCK, &mapped, &found), 0);
    CHECK_EQ(found, 2 * BLOCK);
    sim_disk_kill(disk, SIM_ALL);
    sim_disk_reboot(disk);
    cut(disk, SIM_NONE); /* what the process wrote was pending still, and the memory is gone */
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 0);
    CHECK_EQ(io->ops->stage_map(io, 2 * BLOCK, &mapped, &found), 0);
    CHECK_EQ(found, 0);
    io->ops->stage_remove(io);
    sim_disk_kill(disk, SIM_ALL);
    sim_disk_reboot(disk);
    CHECK_EQ(io->ops->stage_map(io, 2 * BLOCK, &mapped, &found), 0);
    CHECK_EQ(found, 0);
    sim_disk_free(disk);
}

/* A call of several requests is stopped at one of them: the others are done, or under way. */
static void stopped_in_a_call(void)
{
    unsigned kept[3] = {0};

    for (int power = 0; power < 2; power++)
        for (int outcome = SIM_NONE; outcome <= SIM_SOME; outcome++) {
            for (uint64_t seed = 0; seed < 50; seed++) {
                struct sim_disk *disk = fresh(seed);
                struct io *io = sim_disk_io(disk);
                struct io_request requests[4];
                unsigned there = 0, answered = 0;

                CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
                for (unsigned i = 0; i < 4; i++)
                    requests[i] = writing(IO_EXTENTS, i, (unsigned char)(i + 1), IO_DURABLE);
                if (power)
                    sim_disk_cut_at(disk, sim_disk_events(disk) + 3, (enum sim_outcome)outcome);
                else
                    sim_disk_kill_at(disk, sim_disk_events(disk) + 3, (enum sim_outcome)outcome);
                CHECK_EQ(io->ops->perform(io, requests, 4), -EIO);
                sim_disk_reboot(disk);
                for (unsigned i = 0; i < 4; i++) {
                    answered += requests[i].result == 0;
                    there += get(disk, IO_EXTENTS, i) == (int)i + 1;
                    CHECK(requests[i].result != 0 || get(disk, IO_EXTENTS, i) == (int)i + 1);
                }
                CHECK_EQ(answered, 2);
                if (outcome != SIM_SOME)
                    CHECK_EQ(there, outcome == SIM_ALL ? 4 : 2);
                else
                    kept[there - 2]++;
                sim_disk_free(disk);
            }
        }
    CHECK(kept[0] > 0 && kept[1] > 0 && kept[2] > 0);
}

static void used_device(void)
{
    struct sim_options options = {
        .seed = 8, .journal_size = JOURNAL, .device_size = 32 * BLOCK, .used_device = true};
    struct sim_disk *disk = sim_disk_new(&options);
    struct io *io = sim_disk_io(disk);

    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 32 * BLOCK);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 32 * BLOCK), 0);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 33 * BLOCK), -ENOSPC);
    CHECK_EQ(get(disk, IO_EXTENTS, 3), -1);
    CHECK_EQ(get(disk, IO_JOURNAL, 3), 0);
    CHECK_EQ(put(disk, IO_EXTENTS, 3, 1, 0), 0);
    CHECK_EQ(get(disk, IO_EXTENTS, 3), 1);
    CHECK_EQ(io->ops->discard(io, IO_EXTENTS, 0, 32 * BLOCK), 0);
    sim_disk_free(disk);
}

static void copies(void)
{
    struct sim_disk *disk = fresh(9);
    struct sim_disk *many[1000];

    for (unsigned i = 0; i < 64; i++)
        CHECK_EQ(put(disk, IO_EXTENTS, i, (unsigned char)i, 0), 0);
    CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
    for (unsigned i = 0; i < 1000; i++) {
        many[i] = sim_disk_copy(disk, i);
        CHECK_EQ(put(many[i], IO_EXTENTS, i % 64, 200, 0), 0);
    }
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned block = 0; block < 64; block++)
            CHECK_EQ(get(many[i], IO_EXTENTS, block), block == i % 64 ? 200 : (int)block);
        cut(many[i], SIM_NONE);
        CHECK_EQ(get(many[i], IO_EXTENTS, i % 64), (int)i % 64);
        sim_disk_free(many[i]);
    }
    CHECK_EQ(get(disk, IO_EXTENTS, 5), 5);
    sim_disk_free(disk);
}

struct watcher {
    unsigned calls, in_flight_kept, in_flight_lost;
    bool nested;
};

/* In the middle of a write: another one with its sync comes and goes, and copies are cut. */
static void watch(void *opaque, struct sim_disk *disk, const struct sim_event *event)
{
    struct watcher *watcher = opaque;
    struct sim_disk *copy;

    if (event->kind != SIM_WRITE || watcher->nested)
        return;
    watcher->calls++;
    CHECK_EQ(get(disk, IO_EXTENTS, 1), 0);
    copy = sim_disk_copy(disk, watcher->calls);
    cut(copy, SIM_ALL);
    watcher->in_flight_kept += get(copy, IO_EXTENTS, 1) == 1;
    sim_disk_free(copy);
    copy = sim_disk_copy(disk, watcher->calls);
    cut(copy, SIM_NONE);
    watcher->in_flight_lost += get(copy, IO_EXTENTS, 1) != 1;
    sim_disk_free(copy);
    watcher->nested = true;
    CHECK_EQ(put(disk, IO_EXTENTS, 2, 2, 0), 0);
    CHECK_EQ(sync_file(disk, IO_EXTENTS), 0);
    watcher->nested = false;
}

static void in_the_middle(void)
{
    struct sim_disk *disk = fresh(10);
    struct watcher watcher = {0};

    sim_disk_set_hook(disk, watch, &watcher);
    CHECK_EQ(put(disk, IO_EXTENTS, 1, 1, 0), 0);
    CHECK_EQ(watcher.calls, 1);
    CHECK_EQ(watcher.in_flight_kept, 1);
    CHECK_EQ(watcher.in_flight_lost, 1);
    sim_disk_set_hook(disk, NULL, NULL);
    CHECK_EQ(get(disk, IO_EXTENTS, 1), 1);
    cut(disk, SIM_NONE); /* the sync came before the write was complete */
    CHECK_EQ(get(disk, IO_EXTENTS, 1), 0);
    CHECK_EQ(get(disk, IO_EXTENTS, 2), 2);
    sim_disk_free(disk);
}

/* A long random history, and what remains of it, as one number. */
static uint64_t history(uint64_t seed)
{
    struct sim_disk *disk = fresh(seed);
    struct io *io = sim_disk_io(disk);
    struct chance chance = {seed};
    uint64_t sum = 0, drawn;

    for (unsigned i = 0; i < 600; i++) {
        unsigned block = (unsigned)chance_below(&chance, 60);

        put(disk, (enum io_file)chance_below(&chance, 2), block, (unsigned char)i,
            chance_hit(&chance, 1, 10) ? IO_DURABLE : 0);
        if (chance_hit(&chance, 1, 20))
            sync_file(disk, (enum io_file)chance_below(&chance, 2));
        if (chance_hit(&chance, 1, 30))
            io->ops->discard(io, IO_EXTENTS, 0, io->ops->size(io, IO_EXTENTS));
        io->ops->random(io, &drawn, sizeof(drawn));
        sum = sum * 31 + drawn + io->ops->now(io);
        if (chance_hit(&chance, 1, 50)) {
            cut(disk, SIM_SOME);
            CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, 64 * BLOCK), 0);
        }
    }
    for (unsigned block = 0; block < 64; block++) {
        sim_disk_peek(disk, IO_EXTENTS, (uint64_t)block * BLOCK, back, BLOCK);
        for (size_t i = 0; i < BLOCK; i++)
            sum = sum * 31 + back[i];
    }
    sim_disk_free(disk);
    return sum;
}

static void one_seed_is_one_history(void)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        CHECK_EQ(history(seed), history(seed));
        CHECK(history(seed) != history(seed + 1));
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"only what was synced is safe", only_what_was_synced_is_safe},
        {"sync does not cover its own call", sync_does_not_cover_its_own_call},
        {"durable write supersedes", durable_write_supersedes},
        {"some of them", some_of_them},
        {"size is pending too", size_is_pending_too},
        {"killed process", killed_process},
        {"stopped in a call", stopped_in_a_call},
        {"used device", used_device},
        {"copies", copies},
        {"in the middle", in_the_middle},
        {"one seed is one history", one_seed_is_one_history},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
