#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <varve/error.h>

#include "volume/lease_internal.h"

/* Nobody tells that a seat was left to those who do not sit there. */
enum { AWAIT_LOOKS = 1000, AWAIT_LOOK_MICROSECONDS = 5000 };

void attachments_lock(struct attachment_table *table)
{
    int r = pthread_mutex_lock(&table->lock);

    assert(r == 0);
}

void attachments_unlock(struct attachment_table *table)
{
    int r = pthread_mutex_unlock(&table->lock);

    assert(r == 0);
}

int attachment_table_new(struct store *store, lease_record record, void *opaque,
                         struct attachment_table **ret_table)
{
    struct attachment_table *table = calloc(1, sizeof *table);

    if (table == NULL)
        return varve_fail(ENOMEM, "no memory to open the store");
    table->record = record;
    table->opaque = opaque;
    table->store = store;
    pthread_mutex_init(&table->lock, NULL);
    *ret_table = table;
    return 0;
}

void attachment_table_free(struct attachment_table *table)
{
    if (table == NULL)
        return;
    assert(table->first == NULL);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

void attachment_table_await(struct attachment_table *table, client_ended ended)
{
    table->ended = ended;
}

bool client_has_ended_locked(const struct attachment_table *table, const char *client)
{
    return table->ended != NULL && table->ended(client);
}

bool attachments_look_again_locked(struct attachment_table *table, unsigned *looks)
{
    if (*looks == AWAIT_LOOKS)
        return false;
    (*looks)++;
    attachments_unlock(table);
    usleep(AWAIT_LOOK_MICROSECONDS);
    attachments_lock(table);
    return true;
}

struct attachment *attachment_find_locked(struct attachment_table *table, uint64_t image)
{
    struct attachment *attachment = table->first;

    while (attachment != NULL && attachment->number != image)
        attachment = attachment->next;
    return attachment;
}

static void free_attachment(struct attachment *attachment)
{
    pthread_cond_destroy(&attachment->drained);
    free(attachment->writer);
    free(attachment);
}

/* Opens the image, outside the lock because that may read. */
static int attach(struct attachment_table *table, uint64_t image, const char *name, bool shared,
                  struct attachment **ret_attachment)
{
    struct attachment *attachment = calloc(1, sizeof *attachment);
    int r;

    if (attachment == NULL)
        return varve_fail(ENOMEM, "no memory to open volume '%s'", name);
    attachment->number = image;
    attachment->shared = shared;
    snprintf(attachment->name, sizeof attachment->name, "%s", name);
    atomic_init(&attachment->epoch, 1);
    atomic_init(&attachment->draining, false);
    pthread_cond_init(&attachment->drained, NULL);
    r = store_image_open(table->store, image, &attachment->image);
    if (r != 0) {
        free_attachment(attachment);
        return r;
    }
    *ret_attachment = attachment;
    return 0;
}

static void sit_locked(struct attachment *attachment, struct seat *seat)
{
    seat->attachment = attachment;
    seat->image = attachment->image;
    seat->next = attachment->seats;
    attachment->seats = seat;
}

int seat_take(struct attachment_table *table, uint64_t image, const char *name, bool shared,
              const char *client, struct seat *seat)
{
    struct attachment *attachment;
    int r;

    *seat = (struct seat){.client = strdup(client)};
    if (seat->client == NULL)
        return varve_fail(ENOMEM, "no memory to open volume '%s'", name);
    attachments_lock(table);
    attachment = attachment_find_locked(table, image);
    if (attachment != NULL)
        sit_locked(attachment, seat);
    attachments_unlock(table);
    if (attachment != NULL)
        return 0;
    r = attach(table, image, name, shared, &attachment);
    if (r != 0) {
        free(seat->client);
        return r;
    }
    assert(attachment != NULL);
    attachments_lock(table);
    attachment->next = table->first;
    table->first = attachment;
    sit_locked(attachment, seat);
    attachments_unlock(table);
    return 0;
}

void attachment_drop_locked(struct attachment_table *table, struct attachment *attachment)
{
    struct attachment **place = &table->first;

    if (attachment->seats != NULL || attachment->pins > 0)
        return;
    while (*place != attachment)
        place = &(*place)->next;
    *place = attachment->next;
    /* Within the lock: who finds no attachment may delete the image, and must not find it open. */
    store_image_close(table->store, attachment->image);
    /* Where this fails, the next opening does it: the label says so. */
    if (attachment->doomed)
        (void)store_image_delete(table->store, attachment->number);
    free_attachment(attachment);
}

bool attachment_doom(struct attachment_table *table, uint64_t image)
{
    struct attachment *attachment;

    attachments_lock(table);
    attachment = attachment_find_locked(table, image);
    if (attachment != NULL)
        attachment->doomed = true;
    attachments_unlock(table);
    return attachment != NULL;
}

void seat_leave(struct attachment_table *table, struct seat *seat)
{
    struct attachment *attachment = seat->attachment;
    struct seat **place = &attachment->seats;
    bool ends;

    assert(atomic_load(&seat->writing) == 0);
    attachments_lock(table);
    while (*place != seat)
        place = &(*place)->next;
    *place = seat->next;
    ends = attachment->writer != NULL && strcmp(attachment->writer, seat->client) == 0;
    for (struct seat *other = attachment->seats; ends && other != NULL; other = other->next)
        ends = strcmp(other->client, seat->client) != 0;
    if (ends)
        lease_end_locked(attachment);
    attachment_drop_locked(table, attachment);
    attachments_unlock(table);
    free(seat->client);
}

static unsigned count_clients(const struct attachment *attachment)
{
    unsigned clients = 0;

    for (const struct seat *seat = attachment->seats; seat != NULL; seat = seat->next) {
        const struct seat *other = seat->next;

        while (other != NULL && strcmp(other->client, seat->client) != 0)
            other = other->next;
        clients += other == NULL;
    }
    return clients;
}

void attendance_of(struct attachment_table *table, uint64_t image,
                   struct attendance *ret_attendance)
{
    struct attendance attendance = {.seats = 0};
    struct attachment *attachment;

    attachments_lock(table);
    attachment = attachment_find_locked(table, image);
    if (attachment != NULL) {
        for (const struct seat *seat = attachment->seats; seat != NULL; seat = seat->next)
            attendance.seats++;
        attendance.clients = count_clients(attachment);
        if (attachment->seats != NULL)
            snprintf(attendance.client, sizeof attendance.client, "%s", attachment->seats->client);
        if (attachment->writer != NULL)
            snprintf(attendance.writer, sizeof attendance.writer, "%s", attachment->writer);
    }
    attachments_unlock(table);
    *ret_attendance = attendance;
}

static bool one_has_ended_locked(struct attachment_table *table, uint64_t image)
{
    const struct attachment *attachment = attachment_find_locked(table, image);
    const struct seat *seat = attachment != NULL ? attachment->seats : NULL;

    while (seat != NULL && !client_has_ended_locked(table, seat->client))
        seat = seat->next;
    return seat != NULL;
}

void attendance_settle(struct attachment_table *table, uint64_t image)
{
    unsigned looks = 0;

    attachments_lock(table);
    while (one_has_ended_locked(table, image) && attachments_look_again_locked(table, &looks)) {
    }
    attachments_unlock(table);
}

void attachment_set_name(struct attachment_table *table, uint64_t image, const char *name)
{
    struct attachment *attachment;

    attachments_lock(table);
    attachment = attachment_find_locked(table, image);
    if (attachment != NULL)
        snprintf(attachment->name, sizeof attachment->name, "%s", name);
    attachments_unlock(table);
}
