/*
 * Makes an image of 1 TiB whose every block is mapped, without writing 1 TiB:
 *
 *   mapped_tib STORE IMAGE
 *
 * The image has 1 TiB and its first 256 MiB were written. The map page of these 256 MiB then gets
 * 256 references instead of one, which makes 64 GiB, and that page's parent 16 of them. All pages,
 * counts and checksums are what the store itself would make of them: it can be read, snapshotted,
 * changed, deleted and checked. Only that one block lies at several places of one image is what no
 * client can bring about.
 *
 * Nobody serves the store meanwhile. The change is not journaled: it is there after the last
 * checkpoint, and a store that was stopped before is to be thrown away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <varve/error.h>

#include "io/io_file.h"
#include "store/internal.h"

/* Puts what the tree has at key 0, at `level`, also into the `count` - 1 slots beside it. */
static int repeat(struct store *store, struct store_image *image, uint8_t level, unsigned count)
{
    uint8_t above = (uint8_t)(level + 1);
    unsigned next = 1;
    int r = 0;

    pthread_mutex_lock(&store->lock);
    while (r >= 0 && next < count) {
        uint64_t key = (uint64_t)next << (above * REF_LEVEL_BITS);
        struct tree tree;
        struct path path;

        r = image_writable(store, image);
        tree = image_tree(image);
        if (r == 0) {
            r = forest_path(&store->forest, &tree, key, above, &path);
            image_reload_root(store, image);
        }
        if (r == 0) {
            struct slot slot = {path.pages[above], next * REF_BYTES};
            struct ref ref = ref_load(path.pages[above]->bytes);

            r = forest_share(&store->forest, ref, (uint8_t)(RANK_IMAGE + level), slot);
            if (r == 0) {
                forest_add_mapped(&path, above, ref.mapped);
                image_reload_root(store, image);
                next++;
            }
        }
        if (r == FOREST_NEED) {
            r = store_provide_locked(store);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return r < 0 ? r : store_checkpoint(store);
}

static int compose(struct store *store, uint64_t number)
{
    struct store_image *image = NULL;
    int r = store_checkpoint(store);

    if (r == 0) {
        r = store_image_open(store, number, &image);
    }
    if (r == 0 &&
        (store_image_size(store, image) != (uint64_t)1 << 40 || image->record.level != 3 ||
         image->record.root.mapped != REFS_PER_PAGE * REFS_PER_PAGE)) {
        r = varve_fail(EINVAL, "image %llu is not 1 TiB with the first 256 MiB written",
                       (unsigned long long)number);
    }
    if (r == 0) {
        r = repeat(store, image, 1, REFS_PER_PAGE);
    }
    if (r == 0) {
        r = repeat(store, image, 2, 16);
    }
    if (image != NULL) {
        store_image_close(store, image);
    }
    return r;
}

int main(int argc, char **argv)
{
    struct store *store = NULL;
    struct io *io = NULL;
    int r;

    if (argc != 3) {
        fprintf(stderr, "usage: mapped_tib STORE IMAGE\n");
        return 2;
    }
    r = io_open(argv[1], 0, &io);
    if (r == 0) {
        r = store_open(io, NULL, &store);
    }
    if (r == 0) {
        r = compose(store, strtoull(argv[2], NULL, 10));
    }
    if (r == 0) {
        r = store_shutdown(store);
    }
    store_close(store);
    if (io != NULL) {
        io_close(io);
    }
    if (r != 0) {
        fprintf(stderr, "mapped_tib: %s\n", varve_error());
    }
    return r != 0;
}
