#include "io/pages.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    CHUNK = 64 * PAGE,
    MAPPED_MIN = 1 << 20, /* from here on the pages of a mapping are worth its system calls */
};

/* A free page's first bytes, or a chunk's first page. */
struct link {
    struct link *next;
};

struct pages {
    pthread_mutex_t mutex; /* the two lists */
    struct link *free;
    struct link *chunks;
};

struct pages *pages_new(void)
{
    struct pages *pages = calloc(1, sizeof(*pages));

    if (pages != NULL)
        pthread_mutex_init(&pages->mutex, NULL);
    return pages;
}

static void *map(size_t length)
{
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

void pages_free(struct pages *pages)
{
    struct link *chunk, *next;

    if (pages == NULL)
        return;
    for (chunk = pages->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        munmap(chunk, CHUNK);
    }
    pthread_mutex_destroy(&pages->mutex);
    free(pages);
}

/* The first page of a chunk links the chunks; the others become free. */
static void add_chunk_locked(struct pages *pages)
{
    char *chunk = map(CHUNK);

    if (chunk == NULL)
        return;
    ((struct link *)(void *)chunk)->next = pages->chunks;
    pages->chunks = (struct link *)(void *)chunk;
    for (size_t at = CHUNK - PAGE; at >= PAGE; at -= PAGE) {
        struct link *page = (struct link *)(void *)(chunk + at);
        page->next = pages->free;
        pages->free = page;
    }
}

static void *take_page(struct pages *pages)
{
    struct link *page;

    pthread_mutex_lock(&pages->mutex);
    if (pages->free == NULL)
        add_chunk_locked(pages);
    page = pages->free;
    if (page != NULL)
        pages->free = page->next;
    pthread_mutex_unlock(&pages->mutex);
    if (page != NULL)
        memset(page, 0, PAGE);
    return page;
}

static size_t round_up(size_t length)
{
    return (length + PAGE - 1) & ~(size_t)(PAGE - 1);
}

void *pages_take(struct pages *pages, size_t length)
{
    void *memory;

    if (length > SIZE_MAX - PAGE)
        return NULL;
    length = round_up(length);
    if (length == PAGE)
        return take_page(pages);
    if (length >= MAPPED_MIN)
        return map(length);
    memory = aligned_alloc(PAGE, length);
    if (memory != NULL)
        memset(memory, 0, length);
    return memory;
}

void pages_give(struct pages *pages, void *memory, size_t length)
{
    struct link *page = memory;

    if (memory == NULL)
        return;
    length = round_up(length);
    if (length >= MAPPED_MIN) {
        munmap(memory, length);
    } else if (length > PAGE) {
        free(memory);
    } else {
        pthread_mutex_lock(&pages->mutex);
        page->next = pages->free;
        pages->free = page;
        pthread_mutex_unlock(&pages->mutex);
    }
}
