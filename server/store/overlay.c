#include "store/overlay.h"

#include <stddef.h>
#include <string.h>
#include <varve/error.h>

struct overlay_block {
    struct overlay_block *next;
    struct pblock at;
    uint8_t bytes[BLOCK_SIZE];
};

static unsigned bucket_of(struct pblock at)
{
    return (unsigned)(at.n % 1024);
}

int overlay_put(struct overlay *overlay, struct pblock at, const uint8_t *bytes)
{
    struct overlay_block *block = overlay->buckets[bucket_of(at)];

    while (block != NULL && block->at.n != at.n) {
        block = block->next;
    }
    if (block == NULL) {
        block = memory_take(&overlay->memory, sizeof *block);
        if (block == NULL) {
            return varve_no_memory("a block of the journal");
        }
        block->at = at;
        block->next = overlay->buckets[bucket_of(at)];
        overlay->buckets[bucket_of(at)] = block;
    }
    memcpy(block->bytes, bytes, BLOCK_SIZE);
    return 0;
}

const uint8_t *overlay_find(const struct overlay *overlay, struct pblock at)
{
    for (const struct overlay_block *b = overlay->buckets[bucket_of(at)]; b != NULL; b = b->next) {
        if (b->at.n == at.n) {
            return b->bytes;
        }
    }
    return NULL;
}

void overlay_clear(struct overlay *overlay)
{
    for (unsigned i = 0; i < 1024; i++) {
        while (overlay->buckets[i] != NULL) {
            struct overlay_block *next = overlay->buckets[i]->next;

            memory_give(&overlay->memory, overlay->buckets[i], sizeof *overlay->buckets[i]);
            overlay->buckets[i] = next;
        }
    }
}
