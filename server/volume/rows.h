/*
 * A growing array of rows of one size: what is collected under a lock and shown after it. One
 * starts as {.size = sizeof row}; its owner frees `rows`. For one thread.
 */
#ifndef VOLUME_ROWS_H
#define VOLUME_ROWS_H

#include <stddef.h>

struct rows {
    size_t size; /* bytes of one */
    size_t count, room;
    void *rows;
};

/* Copies a row behind the last. -ENOMEM. */
int rows_add(struct rows *rows, const void *row);
/* Valid until the next rows_add. */
void *rows_at(const struct rows *rows, size_t i);

#endif
