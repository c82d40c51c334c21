/*
 * Where memory for what grows with the load comes from: the seam's allocator in the store, so that
 * tests can make the Nth allocation fail.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

struct memory {
    void *(*allocate)(void *opaque, size_t length); /* zero-filled, aligned to 4096; or NULL */
    void (*release)(void *opaque, void *bytes, size_t length);
    void *opaque;
};

static inline void *memory_take(const struct memory *memory, size_t length)
{
    return memory->allocate(memory->opaque, length);
}

static inline void memory_give(const struct memory *memory, void *bytes, size_t length)
{
    if (bytes != NULL) {
        memory->release(memory->opaque, bytes, length);
    }
}

#endif
