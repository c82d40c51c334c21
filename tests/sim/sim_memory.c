/*
 * Memory of the simulated disk, kept for the next use: a test opens a small store some hundred
 * thousand times, and most of its time would go into the kernel's giving and taking of pages. Under
 * the address sanitizer nothing is kept, so that a use after the end shows.
 */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "disk.h"

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS false
#else
#define KEEPS true
#endif

/* Large memory comes as a mapping: its zeroes cost nothing until they are touched, and a short test
 * touches little of it. */
enum { MAPPED_MIN = 256 << 10, MAPPED_KEPT_MAX = 64, SMALL = MAPPED_MIN / SIM_PAGE };

struct kept_memory {
    struct kept_memory *next;
    size_t length;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kept_memory *small[SMALL]; /* by pages */
static struct kept_memory *mapped;       /* zeroes but for the entry itself */
static size_t mapped_count;

void *sim_must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "sim disk: no memory\n");
        abort();
    }
    return memory;
}

static void *take_locked(struct kept_memory **list, size_t length)
{
    for (struct kept_memory **at = list; *at != NULL; at = &(*at)->next) {
        struct kept_memory *kept = *at;

        if (kept->length != length)
            continue;
        *at = kept->next;
        *kept = (struct kept_memory){0};
        return kept;
    }
    return NULL;
}

static void *small_zeroed(size_t length)
{
    void *memory;

    pthread_mutex_lock(&mutex);
    memory = take_locked(&small[length / SIM_PAGE], length);
    pthread_mutex_unlock(&mutex);
    if (memory == NULL)
        memory = sim_must(aligned_alloc(SIM_PAGE, length));
    return memset(memory, 0, length);
}

void *sim_zeroed(size_t length)
{
    void *memory;

    assert(length % SIM_PAGE == 0);
    if (length < MAPPED_MIN)
        return small_zeroed(length);
    pthread_mutex_lock(&mutex);
    memory = take_locked(&mapped, length);
    mapped_count -= memory != NULL;
    pthread_mutex_unlock(&mutex);
    if (memory != NULL)
        return memory;
    memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sim_must(memory == MAP_FAILED ? NULL : memory);
}

unsigned char *sim_touched(void *memory, size_t length)
{
    unsigned char *touched = sim_must(malloc(length / SIM_PAGE + 1));

    if (mincore(memory, length, touched) != 0)
        memset(touched, 1, length / SIM_PAGE);
    return touched;
}

static void clear(unsigned char *memory, size_t length)
{
    unsigned char *touched = sim_touched(memory, length);

    for (size_t i = 0; i < length / SIM_PAGE; i++)
        if (touched[i] & 1)
            memset(memory + i * SIM_PAGE, 0, SIM_PAGE);
    free(touched);
}

static void mapped_free(void *memory, size_t length)
{
    struct kept_memory *kept = memory;
    bool keep;

    pthread_mutex_lock(&mutex);
    keep = KEEPS && mapped_count < MAPPED_KEPT_MAX;
    pthread_mutex_unlock(&mutex);
    if (!keep) {
        munmap(memory, length);
        return;
    }
    clear(memory, length);
    pthread_mutex_lock(&mutex);
    *kept = (struct kept_memory){.next = mapped, .length = length};
    mapped = kept;
    mapped_count++;
    pthread_mutex_unlock(&mutex);
}

void sim_zeroed_free(void *memory, size_t length)
{
    struct kept_memory *kept = memory, **list = &small[length / SIM_PAGE % SMALL];

    if (memory == NULL)
        return;
    if (length >= MAPPED_MIN) {
        mapped_free(memory, length);
    } else if (!KEEPS) {
        free(memory);
    } else {
        pthread_mutex_lock(&mutex);
        *kept = (struct kept_memory){.next = *list, .length = length};
        *list = kept;
        pthread_mutex_unlock(&mutex);
    }
}
