#include <errno.h>
#include <stddef.h>

#include "disk.h"

static bool counts(const struct sim_fault *fault, const struct sim_event *event)
{
    return fault->nth > 0 && (fault->kinds & event->kind) != 0 &&
           (fault->files == 0 || (fault->files & (1u << event->file)) != 0);
}

/* Every fault that counts this event counts it, also when another one strikes. */
static int strike_locked(struct sim_disk *disk, const struct sim_event *event)
{
    int rc = 0;

    for (int i = 0; i < FAULTS; i++) {
        struct sim_fault *fault = &disk->faults[i];

        if (!counts(fault, event))
            continue;
        if (fault->nth > 1) {
            fault->nth--;
            continue;
        }
        rc = -fault->error;
        disk->struck++;
        if (!fault->forever)
            fault->nth = 0;
    }
    return rc;
}

int sim_event_locked(struct sim_disk *disk, struct sim_event *event)
{
    sim_hook hook = disk->hook;
    struct stop stop;

    if (disk->dead)
        return -EIO;
    event->number = ++disk->events;
    disk->clock += 20000 + chance_below(&disk->chance, 200000);
    if (hook != NULL) {
        pthread_mutex_unlock(&disk->mutex);
        hook(disk->hook_opaque, disk, event);
        pthread_mutex_lock(&disk->mutex);
    }
    /* not "equal": other events may have come in the hook */
    if (!disk->dead && disk->stop.event != 0 && event->number >= disk->stop.event) {
        stop = disk->stop;
        stop_locked(disk, &stop);
    }
    return disk->dead ? -EIO : strike_locked(disk, event);
}

int sim_disk_event(struct sim_disk *disk)
{
    struct sim_event event = {.kind = SIM_BESIDE};
    int rc;

    pthread_mutex_lock(&disk->mutex);
    rc = sim_event_locked(disk, &event);
    pthread_mutex_unlock(&disk->mutex);
    return rc;
}

uint64_t sim_disk_events(const struct sim_disk *disk)
{
    return disk->events;
}

void sim_disk_set_hook(struct sim_disk *disk, sim_hook hook, void *opaque)
{
    disk->hook = hook;
    disk->hook_opaque = opaque;
}

void sim_disk_fail(struct sim_disk *disk, const struct sim_fault *fault)
{
    int i = 0;

    while (i < FAULTS - 1 && disk->faults[i].nth > 0)
        i++;
    disk->faults[i] = *fault;
}

void sim_disk_fail_memory(struct sim_disk *disk, uint64_t nth, bool forever)
{
    disk->memory_fails = nth;
    disk->memory_fails_forever = forever;
}

void sim_disk_heal(struct sim_disk *disk)
{
    for (int i = 0; i < FAULTS; i++)
        disk->faults[i].nth = 0;
    disk->memory_fails = 0;
}

uint64_t sim_disk_struck(const struct sim_disk *disk)
{
    return disk->struck;
}
