#include "volume/image_inspect.h"

#include "inspect/inspect.h"

struct reader {
    struct store *store;
    struct store_image *image;
};

static int read_image(void *opaque, void *buffer, size_t length, uint64_t offset)
{
    const struct reader *reader = opaque;

    return store_read(reader->store, reader->image, buffer, length, offset);
}

int image_inspect(struct store *store, struct store_image *image,
                  struct varve_inspection **ret_inspection)
{
    struct reader reader = {store, image};
    const struct inspect_source source = {
        .read = read_image, .opaque = &reader, .size = store_image_size(store, image)};

    return inspect_source(&source, ret_inspection);
}
