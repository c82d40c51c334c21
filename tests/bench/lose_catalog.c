/*
 * Deletes the copies of the catalog in a store that nobody serves:
 *
 *   lose_catalog STORE
 *
 * Without them, and without the file catalog.db, the names have to be rebuilt from the labels.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <varve/error.h>

#include "io/io_file.h"
#include "store/store.h"

static int lose_copies(struct store *store)
{
    struct store_image_info info = {.image = 0};
    int r;

    while ((r = store_image_next(store, info.image, &info)) == 0) {
        if (strncmp(info.label, "catalog ", 8) == 0) {
            r = store_image_delete(store, info.image);
        }
        if (r != 0) {
            break;
        }
    }
    return r == -ENOENT ? 0 : r;
}

int main(int argc, char **argv)
{
    struct store *store = NULL;
    struct io *io = NULL;
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: lose_catalog STORE\n");
        return 2;
    }
    r = io_open(argv[1], 0, &io);
    if (r == 0) {
        r = store_open(io, NULL, &store);
    }
    if (r == 0) {
        r = lose_copies(store);
    }
    if (r == 0) {
        r = store_shutdown(store);
    }
    store_close(store);
    if (io != NULL) {
        io_close(io);
    }
    if (r != 0) {
        fprintf(stderr, "lose_catalog: %s\n", varve_error());
    }
    return r == 0 ? 0 : 1;
}
