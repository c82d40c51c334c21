#include <varve/progress.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <varve/error.h>

enum { OPERATIONS_MAX = 256 };

/* Lock: `lock` for all of it. The numbers change some thousand times a second at most. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot {
    bool used;
    uint64_t number; /* order of beginning */
    struct varve_operation operation;
} slots[OPERATIONS_MAX];
static uint64_t begun;
static _Thread_local struct slot *mine;

static struct slot *find_locked(const char *token)
{
    for (size_t i = 0; i < OPERATIONS_MAX; i++)
        if (slots[i].used && strcmp(slots[i].operation.token, token) == 0)
            return &slots[i];
    return NULL;
}

static int begin_locked(const char *token, const char *what)
{
    struct slot *slot = NULL;

    if (token[0] != '\0' && find_locked(token) != NULL)
        return varve_fail(EEXIST, "an operation with the token '%.63s' runs already", token);
    for (size_t i = 0; slot == NULL && i < OPERATIONS_MAX; i++)
        if (!slots[i].used)
            slot = &slots[i];
    if (slot == NULL)
        return varve_fail(EBUSY, "%d operations run at once, which is the limit; wait for one",
                          (int)OPERATIONS_MAX);
    *slot = (struct slot){.used = true, .number = ++begun};
    slot->operation.started = (int64_t)time(NULL);
    if (token[0] != '\0')
        snprintf(slot->operation.token, sizeof slot->operation.token, "%s", token);
    else
        snprintf(slot->operation.token, sizeof slot->operation.token, "operation-%llu",
                 (unsigned long long)begun);
    snprintf(slot->operation.what, sizeof slot->operation.what, "%s", what);
    mine = slot;
    return 0;
}

int varve_operation_begin(const char *token, const char *what)
{
    int r;

    assert(mine == NULL);
    if (strlen(token) > VARVE_OPERATION_TOKEN_MAX)
        return varve_fail(EINVAL, "an operation's token has at most %d bytes, not %zu",
                          (int)VARVE_OPERATION_TOKEN_MAX, strlen(token));
    pthread_mutex_lock(&lock);
    r = begin_locked(token, what);
    pthread_mutex_unlock(&lock);
    return r;
}

void varve_operation_end(void)
{
    if (mine == NULL)
        return;
    pthread_mutex_lock(&lock);
    mine->used = false;
    pthread_mutex_unlock(&lock);
    mine = NULL;
}

void varve_operation_describe(const char *format, ...)
{
    va_list arguments;

    if (mine == NULL)
        return;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    (void)vsnprintf(mine->operation.what, sizeof mine->operation.what, format, arguments);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

int varve_progress(const char *step, const char *unit, uint64_t done, uint64_t total)
{
    bool cancelled;

    if (mine == NULL)
        return 0;
    pthread_mutex_lock(&lock);
    snprintf(mine->operation.step, sizeof mine->operation.step, "%s", step);
    snprintf(mine->operation.unit, sizeof mine->operation.unit, "%s", unit);
    mine->operation.done = done;
    mine->operation.total = total;
    cancelled = mine->operation.cancelled;
    pthread_mutex_unlock(&lock);
    if (cancelled)
        return varve_fail(ECANCELED, "%s was cancelled", mine->operation.what);
    return 0;
}

/* The running operation that began first after `number`. */
static bool next_locked(uint64_t *number, struct varve_operation *ret_operation)
{
    const struct slot *next = NULL;

    for (size_t i = 0; i < OPERATIONS_MAX; i++)
        if (slots[i].used && slots[i].number > *number &&
            (next == NULL || slots[i].number < next->number))
            next = &slots[i];
    if (next == NULL)
        return false;
    *number = next->number;
    *ret_operation = next->operation;
    return true;
}

int varve_operation_list(varve_operation_visit visit, void *opaque)
{
    struct varve_operation operation;
    uint64_t number = 0;
    bool found;
    int r = 0;

    do {
        pthread_mutex_lock(&lock);
        found = next_locked(&number, &operation);
        pthread_mutex_unlock(&lock);
        if (found)
            r = visit(opaque, &operation);
    } while (found && r == 0);
    return r;
}

static int not_running(const char *token)
{
    return varve_fail(ENOENT, "no operation with the token '%.63s' runs; it may have ended", token);
}

int varve_operation_show(const char *token, struct varve_operation *ret_operation)
{
    const struct slot *slot;

    pthread_mutex_lock(&lock);
    slot = find_locked(token);
    if (slot != NULL)
        *ret_operation = slot->operation;
    pthread_mutex_unlock(&lock);
    return slot != NULL ? 0 : not_running(token);
}

void varve_operation_cancel_all(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < OPERATIONS_MAX; i++)
        slots[i].operation.cancelled = slots[i].used;
    pthread_mutex_unlock(&lock);
}

int varve_operation_cancel(const char *token)
{
    struct slot *slot;

    pthread_mutex_lock(&lock);
    slot = find_locked(token);
    if (slot != NULL)
        slot->operation.cancelled = true;
    pthread_mutex_unlock(&lock);
    return slot != NULL ? 0 : not_running(token);
}
