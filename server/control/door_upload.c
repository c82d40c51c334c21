#include "control/door_upload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <varve/control.h>
#include <varve/error.h>

enum ending { GOES_ON, WHOLE, BROKEN };

struct door_upload {
    struct varve *varve;
    char *who, *method, *target;
    pthread_t thread;
    bool running;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    const char *piece; /* what is left of the bytes at hand */
    size_t length;
    enum ending ending;
    bool asked; /* for bytes, at least once */
    bool over;  /* the answer is there */

    struct varve_control_answer answer;
    char line[512]; /* its varve_error() */
};

/* On the request's thread. */
static ssize_t give(void *opaque, void *bytes, size_t room)
{
    struct door_upload *upload = opaque;
    size_t length;

    pthread_mutex_lock(&upload->lock);
    upload->asked = true;
    pthread_cond_broadcast(&upload->changed);
    while (upload->length == 0 && upload->ending == GOES_ON)
        pthread_cond_wait(&upload->changed, &upload->lock);
    length = upload->length < room ? upload->length : room;
    if (upload->ending == BROKEN) {
        pthread_mutex_unlock(&upload->lock);
        return varve_fail(ECANCELED, "the client went away before it had sent all");
    }
    if (length > 0) {
        memcpy(bytes, upload->piece, length);
        upload->piece += length;
        upload->length -= length;
        pthread_cond_broadcast(&upload->changed);
    }
    pthread_mutex_unlock(&upload->lock);
    return (ssize_t)length;
}

static void *work(void *opaque)
{
    struct door_upload *upload = opaque;

    varve_control_upload(upload->varve, upload->who, upload->method, upload->target, give, upload,
                         &upload->answer);
    snprintf(upload->line, sizeof upload->line, "%s", varve_error());
    pthread_mutex_lock(&upload->lock);
    upload->over = true;
    pthread_cond_broadcast(&upload->changed);
    pthread_mutex_unlock(&upload->lock);
    return NULL;
}

struct door_upload *door_upload_begin(struct varve *varve, const char *who, const char *method,
                                      const char *target)
{
    struct door_upload *upload = calloc(1, sizeof *upload);

    if (upload == NULL)
        return NULL;
    upload->varve = varve;
    pthread_mutex_init(&upload->lock, NULL);
    pthread_cond_init(&upload->changed, NULL);
    upload->who = strdup(who);
    upload->method = strdup(method);
    upload->target = strdup(target);
    if (upload->who != NULL && upload->method != NULL && upload->target != NULL)
        upload->running = pthread_create(&upload->thread, NULL, work, upload) == 0;
    if (!upload->running) {
        door_upload_free(upload);
        return NULL;
    }
    pthread_mutex_lock(&upload->lock);
    while (!upload->asked && !upload->over)
        pthread_cond_wait(&upload->changed, &upload->lock);
    pthread_mutex_unlock(&upload->lock);
    return upload;
}

bool door_upload_is_over(struct door_upload *upload)
{
    bool over;

    pthread_mutex_lock(&upload->lock);
    over = upload->over;
    pthread_mutex_unlock(&upload->lock);
    return over;
}

void door_upload_piece(struct door_upload *upload, const void *bytes, size_t length)
{
    pthread_mutex_lock(&upload->lock);
    upload->piece = bytes;
    upload->length = length;
    pthread_cond_broadcast(&upload->changed);
    while (upload->length > 0 && !upload->over)
        pthread_cond_wait(&upload->changed, &upload->lock);
    upload->length = 0;
    pthread_mutex_unlock(&upload->lock);
}

static void finish(struct door_upload *upload, enum ending ending)
{
    if (!upload->running)
        return;
    pthread_mutex_lock(&upload->lock);
    upload->ending = ending;
    pthread_cond_broadcast(&upload->changed);
    pthread_mutex_unlock(&upload->lock);
    pthread_join(upload->thread, NULL);
    upload->running = false;
}

void door_upload_end(struct door_upload *upload, struct varve_control_answer *ret_answer)
{
    finish(upload, WHOLE);
    (void)varve_fail(EIO, "%s", upload->line); /* for the log: now this thread's */
    *ret_answer = upload->answer;
    upload->answer.text = NULL;
}

void door_upload_free(struct door_upload *upload)
{
    if (upload == NULL)
        return;
    finish(upload, BROKEN);
    pthread_cond_destroy(&upload->changed);
    pthread_mutex_destroy(&upload->lock);
    free(upload->answer.text);
    free(upload->who);
    free(upload->method);
    free(upload->target);
    free(upload);
}
