#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/error.h>

#include "volume/served_store.h"

enum { NOTES_MAX = 100 };

struct notes {
    pthread_mutex_t lock;
    unsigned count;
    char *lines[NOTES_MAX];
};

int notes_new(struct notes **ret_notes)
{
    struct notes *notes = calloc(1, sizeof *notes);

    if (notes == NULL)
        return varve_fail(ENOMEM, "no memory to open the store");
    pthread_mutex_init(&notes->lock, NULL);
    *ret_notes = notes;
    return 0;
}

void notes_free(struct notes *notes)
{
    if (notes == NULL)
        return;
    for (unsigned i = 0; i < notes->count; i++)
        free(notes->lines[i]);
    pthread_mutex_destroy(&notes->lock);
    free(notes);
}

void note(struct varve *varve, const char *format, ...)
{
    struct notes *notes = varve->notes;
    char *line = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&line, format, args) < 0)
        line = NULL;
    va_end(args);
    if (line == NULL)
        return;
    pthread_mutex_lock(&notes->lock);
    if (notes->count < NOTES_MAX) {
        notes->lines[notes->count++] = line;
        line = NULL;
    }
    pthread_mutex_unlock(&notes->lock);
    free(line);
}

void varve_notes(struct varve *varve, varve_note_visit visit, void *opaque)
{
    struct notes *notes = varve->notes;
    unsigned count;

    pthread_mutex_lock(&notes->lock);
    count = notes->count;
    pthread_mutex_unlock(&notes->lock);
    /* Lines are added, never changed: the visitor may call anything. */
    for (unsigned i = 0; i < count; i++)
        visit(opaque, notes->lines[i]);
}
