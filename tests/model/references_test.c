/*
 * A block has 65,535 references at most: the clone that would need one more is refused with a line
 * that says so, before anything is done, and all else goes on.
 */
#include <errno.h>
#include <varve/error.h>

#include "check.h"
#include "format/count_page.h"
#include "sim_disk.h"
#include "store/store.h"

enum { MIB = 1 << 20, BATCH = 255 };

static void all_references_are_taken(void)
{
    static unsigned char bytes[4096] = {1}, found[4096];
    struct store_geometry geometry = {.limit = 128 * MIB, .journal = 4 * MIB};
    struct sim_disk *disk = sim_disk_new(&(struct sim_options){.seed = 1, .journal_size = 4 * MIB});
    struct store_clone clones[BATCH];
    struct store_check_result result;
    struct store_image *image;
    struct store *store;
    uint64_t head;

    CHECK_EQ(store_format(sim_disk_io(disk), &geometry), 0);
    CHECK_EQ(store_open(sim_disk_io(disk), NULL, &store), 0);
    CHECK_EQ(store_image_create(store, MIB, 0, "head", &head), 0);
    CHECK_EQ(store_image_open(store, head, &image), 0);
    CHECK_EQ(store_write(store, image, bytes, sizeof bytes, 0, 0), 0);
    for (unsigned i = 0; i < BATCH; i++)
        clones[i] = (struct store_clone){.source = head, .flags = STORE_IMAGE_FROZEN, .label = "s"};
    /* one at a time where a whole batch does not fit any more */
    for (unsigned left = COUNT_MAX - 1; left > 0;) {
        unsigned n = left > 2 * BATCH ? BATCH : 1;
        int rc = store_image_clone(store, clones, n);

        if (rc != 0 && left <= 2 * BATCH)
            break;
        CHECK_EQ(rc, 0);
        left -= n;
    }
    CHECK_EQ(store_image_clone(store, clones, 1), -ENOSPC);
    CHECK(strstr(varve_error(), "65535 references") != NULL);
    CHECK(strstr(varve_error(), "delete") != NULL);

    bytes[0] = 2;
    CHECK_EQ(store_write(store, image, bytes, sizeof bytes, 0, 0), 0);
    CHECK_EQ(store_read(store, image, found, sizeof found, 0), 0);
    CHECK_EQ(found[0], 2);
    /* the head has a root of its own now */
    CHECK_EQ(store_image_clone(store, clones, 1), 0);
    store_image_close(store, image);
    CHECK_EQ(store_check(store, STORE_CHECK_DATA, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(store_shutdown(store), 0);
    store_close(store);
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"all references are taken", all_references_are_taken}};

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
