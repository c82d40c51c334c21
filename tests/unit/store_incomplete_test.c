/* A write that fails leaves its mark on the image, and the mark outlives the process. */
#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "check.h"
#include "io/io_file.h"
#include "scratch.h"
#include "store/store.h"

enum { MIB = 1 << 20 };

static struct io *io;
static struct store *store;

static const char *make(void)
{
    struct store_geometry geometry = {.limit = 8 * MIB, .journal = MIB};
    const char *path = scratch_store(geometry.journal);

    CHECK_EQ(io_open(path, 0, &io), 0);
    CHECK_EQ(store_format(io, &geometry), 0);
    CHECK_EQ(store_open(io, NULL, &store), 0);
    return path;
}

static void end(bool clean)
{
    if (clean)
        CHECK_EQ(store_shutdown(store), 0);
    store_close(store);
    io_close(io);
}

static unsigned flags_of(uint64_t image)
{
    struct store_image_info info;

    CHECK_EQ(store_image_stat(store, image, &info), 0);
    return info.flags;
}

static void a_full_store_marks(void)
{
    static char bytes[MIB];
    const char *path = make();
    struct store_image *open;
    uint64_t image = 0, other = 0, offset = 0;
    int r;

    memset(bytes, 7, sizeof bytes);
    CHECK_EQ(store_image_create(store, 64 * (uint64_t)MIB, 0, "full", &image), 0);
    CHECK_EQ(store_image_create(store, MIB, 0, "other", &other), 0);
    CHECK_EQ(store_image_open(store, image, &open), 0);
    /* What is the client's own fault is no loss. */
    CHECK_EQ(store_write(store, open, bytes, 1, 64 * (uint64_t)MIB, 0), -ENOSPC);
    CHECK_EQ(flags_of(image), 0);
    while ((r = store_write(store, open, bytes, sizeof bytes, offset, 0)) == 0)
        offset += sizeof bytes;
    CHECK_EQ(r, -ENOSPC);
    CHECK_HAS(varve_error(), "full");
    CHECK_EQ(flags_of(image), STORE_IMAGE_INCOMPLETE);
    CHECK_EQ(flags_of(other), 0);
    CHECK_EQ(store_flush(store), 0);
    store_image_close(store, open);
    end(false);
    CHECK_EQ(io_open(path, 0, &io), 0);
    CHECK_EQ(store_open(io, NULL, &store), 0);
    CHECK_EQ(flags_of(image), STORE_IMAGE_INCOMPLETE);
    CHECK_EQ(store_image_change_flags(store, image, STORE_IMAGE_FROZEN, 0), 0);
    CHECK_EQ(flags_of(image), STORE_IMAGE_FROZEN | STORE_IMAGE_INCOMPLETE);
    CHECK_EQ(store_image_change_flags(store, image, 0, STORE_IMAGE_INCOMPLETE), 0);
    CHECK_EQ(flags_of(image), STORE_IMAGE_FROZEN);
    CHECK_EQ(store_image_open(store, image, &open), 0);
    CHECK_EQ(store_write(store, open, bytes, 1, 0, 0), -EPERM);
    CHECK_EQ(flags_of(image), STORE_IMAGE_FROZEN);
    store_image_close(store, open);
    end(true);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {{"a full store marks", a_full_store_marks}};

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
