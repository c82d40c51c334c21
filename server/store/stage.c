#include "store/stage.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <varve/error.h>

/* Native byte order: it never leaves the machine. */
struct stage_header {
    _Atomic uint64_t magic; /* set last */
    uint64_t session;
    uint8_t identity[16];
    struct stage_geometry geometry;
    _Atomic uint64_t doubt;
    _Alignas(64) struct log_marks marks;
};
_Static_assert(sizeof(struct stage_header) <= BLOCK_SIZE, "the header fits its block");
_Static_assert(sizeof(struct stage_extent) <= BLOCK_SIZE, "a descriptor fits its block");

#define MAGIC UINT64_C(0x0131656761747356) /* "Vstage1", 1 */

uint64_t stage_bytes(const struct stage_geometry *geometry)
{
    return BLOCK_SIZE * (1 + geometry->extents) + geometry->log_bytes +
           geometry->extents * geometry->extent_blocks * BLOCK_SIZE;
}

static struct stage_header *header_of(const struct stage *stage)
{
    return (struct stage_header *)(void *)stage->memory;
}

struct log_marks *stage_marks(const struct stage *stage)
{
    return &header_of(stage)->marks;
}

struct stage_extent *stage_extent(const struct stage *stage, uint64_t extent)
{
    assert(extent < stage->geometry.extents);
    return (struct stage_extent *)(void *)(stage->memory + BLOCK_SIZE * (1 + extent));
}

uint8_t *stage_log(const struct stage *stage)
{
    return stage->memory + BLOCK_SIZE * (1 + stage->geometry.extents);
}

uint8_t *stage_buffer(const struct stage *stage, uint64_t extent)
{
    assert(extent < stage->geometry.extents);
    return stage_log(stage) + stage->geometry.log_bytes +
           extent * stage->geometry.extent_blocks * BLOCK_SIZE;
}

void stage_begin(const struct stage *stage, const struct superblock *super)
{
    struct stage_header *header = header_of(stage);

    stage_end(stage);
    for (uint64_t i = 0; i < stage->geometry.extents; i++) {
        atomic_store(&stage_extent(stage, i)->count, 0);
    }
    header->session = super->session;
    memcpy(header->identity, super->identity, sizeof header->identity);
    header->geometry = stage->geometry;
    atomic_store(&header->doubt, 0);
    atomic_store(&header->magic, MAGIC);
}

static bool is_possible(const struct stage_geometry *geometry, uint64_t bytes)
{
    return geometry->extents > 0 && geometry->extents <= STAGE_EXTENTS_MAX &&
           geometry->extent_blocks > 0 && geometry->extent_blocks <= STAGE_EXTENT_BLOCKS_MAX &&
           geometry->log_bytes >= LOG_BYTES_MIN && geometry->log_bytes % BLOCK_SIZE == 0 &&
           geometry->log_bytes < bytes && stage_bytes(geometry) == bytes;
}

int stage_adopt(struct stage *stage, uint64_t found, const struct superblock *super, bool *ret_ours)
{
    const struct stage_header *header = header_of(stage);
    uint64_t magic = found >= BLOCK_SIZE ? atomic_load(&header->magic) : 0;

    *ret_ours = false;
    if (magic == 0 || header->session != super->session ||
        memcmp(header->identity, super->identity, sizeof header->identity) != 0) {
        return 0;
    }
    if (magic != MAGIC || !is_possible(&header->geometry, found)) {
        return varve_fail(ENOTSUP,
                          "the last server of this store died, and what it had answered lies in "
                          "memory in a form that this version of varve does not know (%#llx); "
                          "start and stop the version that died",
                          (unsigned long long)magic);
    }
    stage->geometry = header->geometry;
    *ret_ours = true;
    return 0;
}

void stage_doubt(const struct stage *stage)
{
    atomic_store(&header_of(stage)->doubt, 1);
}

bool stage_is_in_doubt(const struct stage *stage)
{
    return atomic_load(&header_of(stage)->doubt) != 0;
}

void stage_end(const struct stage *stage)
{
    atomic_store(&header_of(stage)->magic, 0);
}
