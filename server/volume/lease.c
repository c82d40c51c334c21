#include "volume/lease.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "volume/lease_internal.h"
#include "volume/volume_name.h"

void lease_end_locked(struct attachment *attachment)
{
    free(attachment->writer);
    attachment->writer = NULL;
    atomic_fetch_add(&attachment->epoch, 1);
}

/* How messages speak of it, and the verb that takes it away. Only versions have a colon. */
static bool is_version(const struct attachment *attachment)
{
    return strchr(attachment->name, ':') != NULL;
}

static const char *kind_of(const struct attachment *attachment)
{
    return is_version(attachment) ? "version" : "volume";
}

static const char *release_of(const struct attachment *attachment)
{
    return is_version(attachment) ? "varve datasets versions release" : "varve volumes release";
}

static bool is_open_locked(const struct seat *seat)
{
    const struct attachment *attachment = seat->attachment;

    return !seat->fenced && (attachment->shared || attachment->writer == NULL ||
                             strcmp(attachment->writer, seat->client) == 0);
}

/* 0 when the seat may write as things are; else -EPERM and why. */
static int judge_locked(const struct attachment *attachment, const struct seat *seat)
{
    if (is_open_locked(seat))
        return 0;
    if (seat->fenced)
        return varve_fail(EPERM,
                          "%s '%s' was taken away from this connection of %s by '%s'; connect "
                          "again to write",
                          kind_of(attachment), attachment->name, show_text(seat->client).text,
                          release_of(attachment));
    return varve_fail(EPERM,
                      "%s '%s' is being written by %s; disconnect that client, or take it away "
                      "from it with '%s --force %s'",
                      kind_of(attachment), attachment->name, show_text(attachment->writer).text,
                      release_of(attachment), attachment->name);
}

static void wait_for_others_locked(struct attachment_table *table, struct attachment *attachment)
{
    while (atomic_load(&attachment->draining) || attachment->recording)
        pthread_cond_wait(&attachment->drained, &table->lock);
}

/* Of a lease that is free. Gives the lock away meanwhile: the seat may then be judged otherwise. */
static void record_locked(struct attachment_table *table, const struct seat *seat)
{
    struct attachment *attachment = seat->attachment;

    attachment->recording = true;
    attachments_unlock(table);
    table->record(table->opaque, attachment->number, seat->client);
    attachments_lock(table);
    attachment->recording = false;
    pthread_cond_broadcast(&attachment->drained);
    wait_for_others_locked(table, attachment);
}

static bool lease_is_free(const struct attachment *attachment)
{
    return !attachment->shared && attachment->writer == NULL;
}

static int grant(struct attachment_table *table, struct seat *seat)
{
    struct attachment *attachment = seat->attachment;
    int r;

    attachments_lock(table);
    wait_for_others_locked(table, attachment);
    r = judge_locked(attachment, seat);
    if (r == 0 && lease_is_free(attachment)) {
        record_locked(table, seat);
        r = judge_locked(attachment, seat);
    }
    if (r == 0 && lease_is_free(attachment)) {
        attachment->writer = strdup(seat->client);
        if (attachment->writer == NULL)
            r = varve_fail(ENOMEM, "no memory to take the write lease of '%s'", attachment->name);
    }
    if (r == 0) {
        atomic_store(&seat->granted, atomic_load(&attachment->epoch));
        atomic_fetch_add(&seat->writing, 1);
    }
    attachments_unlock(table);
    return r;
}

int lease_enter(struct attachment_table *table, struct seat *seat)
{
    atomic_fetch_add(&seat->writing, 1);
    if (atomic_load(&seat->granted) == atomic_load(&seat->attachment->epoch))
        return 0;
    /* Not while waiting for a lock whose owner may wait for this count. */
    lease_leave(table, seat);
    return grant(table, seat);
}

void lease_leave(struct attachment_table *table, struct seat *seat)
{
    struct attachment *attachment = seat->attachment;

    if (atomic_fetch_sub(&seat->writing, 1) == 1 && atomic_load(&attachment->draining)) {
        attachments_lock(table);
        pthread_cond_broadcast(&attachment->drained);
        attachments_unlock(table);
    }
}

bool lease_is_open_to(struct attachment_table *table, const struct seat *seat)
{
    const struct attachment *attachment = seat->attachment;
    unsigned looks = 0;
    bool open;

    attachments_lock(table);
    do
        open = is_open_locked(seat);
    while (!open && !seat->fenced && client_has_ended_locked(table, attachment->writer) &&
           attachments_look_again_locked(table, &looks));
    attachments_unlock(table);
    return open;
}

static bool fenced_writes_are_under_way(const struct attachment *attachment)
{
    for (struct seat *seat = attachment->seats; seat != NULL; seat = seat->next)
        if (seat->fenced && atomic_load(&seat->writing) != 0)
            return true;
    return false;
}

/* Moves the epoch first, then waits: see lease.h. */
static void fence_locked(struct attachment_table *table, struct attachment *attachment)
{
    for (struct seat *seat = attachment->seats; seat != NULL; seat = seat->next)
        seat->fenced = seat->fenced || strcmp(seat->client, attachment->writer) == 0;
    atomic_store(&attachment->draining, true);
    lease_end_locked(attachment);
    while (fenced_writes_are_under_way(attachment))
        pthread_cond_wait(&attachment->drained, &table->lock);
    atomic_store(&attachment->draining, false);
    pthread_cond_broadcast(&attachment->drained);
}

void lease_release(struct attachment_table *table, uint64_t image, char ret_holder[160])
{
    struct attachment *attachment;

    ret_holder[0] = '\0';
    attachments_lock(table);
    attachment = attachment_find_locked(table, image);
    if (attachment != NULL) {
        attachment->pins++;
        while (atomic_load(&attachment->draining))
            pthread_cond_wait(&attachment->drained, &table->lock);
        if (attachment->writer != NULL) {
            snprintf(ret_holder, 160, "%s", attachment->writer);
            fence_locked(table, attachment);
        }
        attachment->pins--;
        attachment_drop_locked(table, attachment);
    }
    attachments_unlock(table);
}

void attachment_set_shared(struct attachment_table *table, uint64_t image, bool shared)
{
    struct attachment *attachment;

    attachments_lock(table);
    attachment = attachment_find_locked(table, image);
    if (attachment != NULL && attachment->shared != shared) {
        attachment->shared = shared;
        lease_end_locked(attachment);
    }
    attachments_unlock(table);
}
