/*
 * A store taken apart: its io, its store and its catalog, each opened by itself and not through the
 * public door, to leave them as a crash or an old copy would have. One at a time.
 */
#ifndef UNIT_TAKEN_APART_H
#define UNIT_TAKEN_APART_H

#include "catalog/catalog.h"
#include "io/io_file.h"
#include "store/store.h"
#include "trial_store.h"

static struct io *io;
static struct store *store;
static struct catalog *catalog;

static inline void take_apart(const char *dir, const char *catalog_path)
{
    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(store_open(io, NULL, &store), 0);
    CHECK_EQ(catalog_open(catalog_path, 0, &catalog), 0);
}

static inline void put_together(void)
{
    catalog_close(catalog);
    CHECK_EQ(store_shutdown(store), 0);
    store_close(store);
    io_close(io);
}

/* Without a copy of the catalog in the store the labels are all there is. */
static inline void drop_copies(void)
{
    struct store_image_info info = {.image = 0};

    while (store_image_next(store, info.image, &info) == 0)
        if (strncmp(info.label, "catalog ", 8) == 0)
            CHECK_EQ(store_image_delete(store, info.image), 0);
}

/* What the next opening says of what it found. */
static char notes[TRIAL_TEXT];

static inline void keep_lines(void *opaque, const char *line)
{
    trial_append(opaque, line);
    trial_append(opaque, "\n");
}

static inline struct varve *reopen(const char *dir, unsigned flags)
{
    struct varve *varve = trial_open(dir, flags);

    notes[0] = '\0';
    varve_notes(varve, keep_lines, notes);
    return varve;
}

#endif
