/*
 * Power cuts, killed processes, and what comes after them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"

enum { SECTOR = 512, SECTORS = SIM_PAGE / SECTOR };

/* How much of what is in doubt is there after this stop: drawn once, so that the extremes of single
 * files, which find a missing sync, are not drowned in the average. */
struct fate {
    unsigned keep[IO_FILES]; /* of 8 */
    uint64_t newest;         /* what completed later is gone */
    unsigned torn;           /* of 8 */
};

static void draw_fate_locked(struct sim_disk *disk, struct fate *fate)
{
    static const unsigned keep[] = {0, 1, 4, 7, 8};

    for (int i = 0; i < IO_FILES; i++)
        fate->keep[i] = keep[chance_below(&disk->chance, 5)];
    fate->torn = chance_hit(&disk->chance, 1, 2) ? 0 : 2;
    fate->newest = UINT64_MAX;
    if (chance_hit(&disk->chance, 1, 4) && disk->pending_count > 0)
        fate->newest = disk->pending[chance_below(&disk->chance, disk->pending_count)].sequence;
}

/* A mix of both pages by sectors, perhaps with one that is neither. */
static struct sim_page *torn_page(struct sim_disk *disk, const struct sim_page *from,
                                  const struct sim_page *to)
{
    unsigned char bytes[SIM_PAGE] = {0};
    unsigned garbage = (unsigned)chance_below(&disk->chance, 2 * SECTORS);

    if (from != NULL)
        memcpy(bytes, from->bytes, SIM_PAGE);
    for (unsigned i = 0; i < SECTORS; i++) {
        unsigned char *sector = bytes + (size_t)i * SECTOR;

        if (chance_hit(&disk->chance, 1, 2)) {
            if (to != NULL)
                memcpy(sector, to->bytes + (size_t)i * SECTOR, SECTOR);
            else
                memset(sector, 0, SECTOR);
        }
        for (unsigned at = 0; i == garbage && at < SECTOR; at++)
            sector[at] = (unsigned char)chance_draw(&disk->chance);
    }
    return sim_page_new(bytes);
}

static void settle_block_locked(struct sim_disk *disk, const struct fate *fate, enum io_file which,
                                uint64_t block, struct sim_page *page)
{
    struct sim_file *file = &disk->file[which];
    struct sim_page *torn;

    if (!chance_hit(&disk->chance, fate->keep[which], 8))
        return;
    if (!chance_hit(&disk->chance, fate->torn, 8)) {
        page_tree_put(&file->durable, block, page);
        return;
    }
    torn = torn_page(disk, page_tree_get(&file->durable, block), page);
    page_tree_put(&file->durable, block, torn);
    sim_page_unref(torn);
}

/* Any order is any order of the writes to one block: nobody can tell more afterwards. */
static void shuffle_pending_locked(struct sim_disk *disk)
{
    for (size_t i = disk->pending_count; i > 1; i--) {
        size_t other = (size_t)chance_below(&disk->chance, i);
        struct pending pending = disk->pending[i - 1];

        disk->pending[i - 1] = disk->pending[other];
        disk->pending[other] = pending;
    }
}

static void settle_locked(struct sim_disk *disk, enum sim_outcome outcome)
{
    struct fate fate = {.keep = {8, 8}, .newest = UINT64_MAX};

    if (outcome == SIM_NONE)
        return;
    if (outcome == SIM_SOME) {
        draw_fate_locked(disk, &fate);
        shuffle_pending_locked(disk);
    }
    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct pending *pending = &disk->pending[i];

        if (pending->sequence <= fate.newest && (!pending->doomed || outcome == SIM_SOME))
            settle_block_locked(disk, &fate, pending->file, pending->block, pending->page);
    }
    for (size_t i = 0; i < disk->flight_count; i++) {
        const struct flight *flight = &disk->flights[i];

        for (uint64_t k = 0; k < flight->count; k++)
            settle_block_locked(disk, &fate, flight->file, flight->block + k, flight->pages[k]);
    }
}

static void power_off_locked(struct sim_disk *disk, enum sim_outcome outcome)
{
    settle_locked(disk, outcome);
    pending_clear_locked(disk);
    for (int i = 0; i < IO_FILES; i++) {
        struct sim_file *file = &disk->file[i];

        if (outcome == SIM_ALL || (outcome == SIM_SOME && chance_hit(&disk->chance, 1, 2)))
            file->durable_size = file->size;
        file->size = file->durable_size;
        page_tree_truncate(&file->durable, file->size / SIM_PAGE);
        page_tree_drop(&file->current);
        file->current = page_tree_share(&file->durable);
    }
    page_tree_drop(&disk->kept.pages);
    disk->kept.there = false;
}

/* Writes under way at the death of a process are finished by the kernel, or were not begun, block
 * by block. */
static void kill_locked(struct sim_disk *disk, enum sim_outcome outcome)
{
    for (size_t i = 0; i < disk->flight_count; i++) {
        const struct flight *flight = &disk->flights[i];

        for (uint64_t k = 0; k < flight->count; k++) {
            struct sim_file *file = &disk->file[flight->file];

            if (outcome == SIM_NONE || (outcome == SIM_SOME && chance_hit(&disk->chance, 1, 2)))
                continue;
            page_tree_put(&file->current, flight->block + k, flight->pages[k]);
            pending_add_locked(disk, flight->file, flight->block + k, flight->pages[k]);
        }
    }
    sim_stage_save_locked(disk);
}

void sim_stage_save_locked(struct sim_disk *disk)
{
    static const unsigned char zeroes[SIM_PAGE];
    unsigned char *touched;

    if (disk->stage == NULL)
        return; /* what an earlier process left is still there */
    touched = sim_touched(disk->stage, disk->stage_length);
    page_tree_drop(&disk->kept.pages);
    disk->kept.length = disk->stage_length;
    disk->kept.there = disk->stage_named;
    for (uint64_t i = 0; disk->stage_named && i < disk->stage_length / SIM_PAGE; i++) {
        const unsigned char *bytes = disk->stage + i * SIM_PAGE;
        struct sim_page *page;

        if ((touched[i] & 1) == 0 || memcmp(bytes, zeroes, SIM_PAGE) == 0)
            continue;
        page = sim_page_new(bytes);
        page_tree_put(&disk->kept.pages, i, page);
        sim_page_unref(page);
    }
    free(touched);
}

void stop_locked(struct sim_disk *disk, const struct stop *stop)
{
    if (disk->dead)
        return;
    if (stop->power)
        power_off_locked(disk, stop->outcome);
    else
        kill_locked(disk, stop->outcome);
    flight_clear_locked(disk);
    disk->dead = true;
    disk->lost_power = stop->power;
    disk->stop.event = 0;
}

static void stop_now(struct sim_disk *disk, bool power, enum sim_outcome outcome)
{
    struct stop stop = {.power = power, .outcome = outcome};

    pthread_mutex_lock(&disk->mutex);
    stop_locked(disk, &stop);
    pthread_mutex_unlock(&disk->mutex);
}

void sim_disk_cut(struct sim_disk *disk, enum sim_outcome outcome)
{
    stop_now(disk, true, outcome);
}

void sim_disk_kill(struct sim_disk *disk, enum sim_outcome outcome)
{
    stop_now(disk, false, outcome);
}

void sim_disk_cut_at(struct sim_disk *disk, uint64_t event, enum sim_outcome outcome)
{
    disk->stop = (struct stop){.event = event, .power = true, .outcome = outcome};
}

void sim_disk_kill_at(struct sim_disk *disk, uint64_t event, enum sim_outcome outcome)
{
    disk->stop = (struct stop){.event = event, .power = false, .outcome = outcome};
}

bool sim_disk_is_dead(const struct sim_disk *disk)
{
    return disk->dead;
}

bool sim_disk_lost_power(const struct sim_disk *disk)
{
    return disk->lost_power;
}

/* What a failed sync doomed is evicted some time; here before the next process comes, unless the
 * disk is told that the cache is stale. */
static void evict_doomed_locked(struct sim_disk *disk)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->pending_count; i++) {
        struct pending *pending = &disk->pending[i];
        struct sim_file *file = &disk->file[pending->file];

        if (!pending->doomed || (disk->options.stale_cache && chance_hit(&disk->chance, 1, 2))) {
            disk->pending[kept++] = *pending;
            continue;
        }
        if (page_tree_get(&file->current, pending->block) ==
            pending->page) /* not written again since */
            page_tree_put(&file->current, pending->block,
                          page_tree_get(&file->durable, pending->block));
        sim_page_unref(pending->page);
    }
    disk->pending_count = kept;
}

void sim_disk_reboot(struct sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    assert(disk->flight_count == 0);
    if (!disk->dead)
        sim_stage_save_locked(disk);
    evict_doomed_locked(disk);
    sim_zeroed_free(disk->stage, disk->stage_length);
    disk->stage = NULL;
    disk->stop.event = 0;
    disk->dead = false;
    sim_disk_heal(disk);
    pthread_mutex_unlock(&disk->mutex);
}

static void copy_lists(struct sim_disk *to, const struct sim_disk *from)
{
    to->pending_room = to->pending_count;
    to->pending = sim_must(calloc(to->pending_count + 1, sizeof(*to->pending)));
    for (size_t i = 0; i < from->pending_count; i++) {
        to->pending[i] = from->pending[i];
        sim_page_ref(to->pending[i].page);
    }
    to->flight_room = to->flight_count;
    to->flights = sim_must(calloc(to->flight_count + 1, sizeof(*to->flights)));
    for (size_t i = 0; i < from->flight_count; i++) {
        struct flight *flight = &to->flights[i];

        *flight = from->flights[i];
        flight->pages = sim_must(calloc(flight->count + 1, sizeof(struct sim_page *)));
        for (uint64_t k = 0; k < flight->count; k++)
            flight->pages[k] = sim_page_ref(from->flights[i].pages[k]);
    }
}

struct sim_disk *sim_disk_copy(struct sim_disk *disk, uint64_t seed)
{
    struct sim_disk *copy = sim_must(malloc(sizeof(*copy)));

    pthread_mutex_lock(&disk->mutex);
    *copy = *disk;
    pthread_mutex_init(&copy->mutex, NULL);
    copy->chance.state = seed;
    for (int i = 0; i < IO_FILES; i++) {
        page_tree_share(&copy->file[i].current);
        page_tree_share(&copy->file[i].durable);
        page_tree_share(&copy->file[i].previous);
    }
    copy_lists(copy, disk);
    sim_page_ref(copy->blank);
    page_tree_share(&copy->kept.pages);
    if (!copy->dead)
        sim_stage_save_locked(copy); /* reads the original's memory */
    copy->stage = NULL;
    copy->memory = 0;
    copy->hook = NULL;
    copy->stop.event = 0;
    sim_disk_heal(copy);
    pthread_mutex_unlock(&disk->mutex);
    return copy;
}
