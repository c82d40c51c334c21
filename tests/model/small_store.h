/* A small store on a simulated disk, and blocks of one value each to write to its images. */
#ifndef MODEL_SMALL_STORE_H
#define MODEL_SMALL_STORE_H

#include <varve/error.h>

#include "check.h"
#include "format/layout.h"
#include "sim_disk.h"
#include "store/store.h"

enum { MIB = 1 << 20, SMALL_JOURNAL = MIB / 2 };

/* A disk with an empty store in it. */
static inline struct sim_disk *small_store_disk(uint64_t seed, uint64_t limit)
{
    const struct store_geometry geometry = {.limit = limit, .journal = SMALL_JOURNAL};
    struct sim_disk *disk =
        sim_disk_new(&(struct sim_options){.seed = seed, .journal_size = SMALL_JOURNAL});

    CHECK_EQ(store_format(sim_disk_io(disk), &geometry), 0);
    return disk;
}

static inline struct store *small_store_open(struct sim_disk *disk,
                                             const struct store_options *options)
{
    struct store *store = NULL;

    if (store_open(sim_disk_io(disk), options, &store) != 0)
        check_failed(__FILE__, __LINE__, "open: %s", varve_error());
    return store;
}

/* A new image, opened. The first one of a store has number 1. */
static inline struct store_image *small_store_image(struct store *store, uint64_t size)
{
    struct store_image *image;
    uint64_t number;

    CHECK_EQ(store_image_create(store, size, 0, "volume", &number), 0);
    CHECK_EQ(store_image_open(store, number, &image), 0);
    return image;
}

/* The block holds the value all over. Flags are those of store_write. */
static inline void small_store_write(struct store *store, struct store_image *image, uint64_t block,
                                     unsigned value, unsigned flags)
{
    unsigned char bytes[BLOCK_SIZE];

    memset(bytes, (int)(value & 0xff), sizeof bytes);
    CHECK_EQ(store_write(store, image, bytes, sizeof bytes, block * BLOCK_SIZE, flags), 0);
}

/* Reads the beginning of an image that is not open. */
static inline void small_store_read(struct store *store, uint64_t number, unsigned char *bytes,
                                    size_t length)
{
    struct store_image *image;

    CHECK_EQ(store_image_open(store, number, &image), 0);
    if (store_read(store, image, bytes, length, 0) != 0)
        check_failed(__FILE__, __LINE__, "read: %s", varve_error());
    store_image_close(store, image);
}

#endif
