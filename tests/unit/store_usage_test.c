/* What images use, share and give back, against a model that knows every block by a number. */
#include <errno.h>
#include <stdlib.h>

#include "io/io_file.h"
#include "store/store.h"
#include "trial_store.h"

enum { BLOCK = 4096, IMAGES = 12, BLOCKS = 3000, STEPS = 400, ROUNDS = 6 };

struct model_image {
    uint64_t number; /* 0: none */
    uint64_t blocks; /* its size */
    unsigned at[BLOCKS];
};

static struct model_image *images;
static struct io *io;
static struct store *store;
static unsigned next_id, seed;

static unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void open_store(const char *name)
{
    const char *dir = trial_make(name);

    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(store_open(io, NULL, &store), 0);
    images = calloc(IMAGES, sizeof *images);
    CHECK(images != NULL);
    next_id = 1;
}

static void close_store(void)
{
    CHECK_EQ(store_shutdown(store), 0);
    store_close(store);
    io_close(io);
    free(images);
}

static struct model_image *find(bool there)
{
    for (unsigned i = 0, start = draw(IMAGES); i < IMAGES; i++)
        if ((images[(start + i) % IMAGES].number != 0) == there)
            return &images[(start + i) % IMAGES];
    return NULL;
}

static void make(void)
{
    struct model_image *image = find(false);

    if (image == NULL)
        return;
    memset(image, 0, sizeof *image);
    image->blocks = 1 + draw(BLOCKS);
    CHECK_EQ(store_image_create(store, image->blocks * BLOCK, 0, "x", &image->number), 0);
}

static void clone(void)
{
    struct model_image *from = find(true), *to = find(false);
    struct store_clone order = {.label = "y"};

    if (from == NULL || to == NULL)
        return;
    order.source = from->number;
    CHECK_EQ(store_image_clone(store, &order, 1), 0);
    *to = *from;
    to->number = order.image;
}

static void change_blocks(bool write)
{
    static const char bytes[64 * BLOCK] = "data";
    struct model_image *image = find(true);
    struct store_image *open;
    unsigned first, count;

    if (image == NULL)
        return;
    first = draw((unsigned)image->blocks);
    count = 1 + draw(write ? 64 : 600);
    if (count > image->blocks - first)
        count = (unsigned)image->blocks - first;
    CHECK_EQ(store_image_open(store, image->number, &open), 0);
    if (write)
        CHECK_EQ(store_write(store, open, bytes, (size_t)count * BLOCK, (uint64_t)first * BLOCK, 0),
                 0);
    else
        CHECK_EQ(store_zero(store, open, (uint64_t)count * BLOCK, (uint64_t)first * BLOCK, 0), 0);
    store_image_close(store, open);
    for (unsigned i = first; i < first + count; i++)
        image->at[i] = write ? next_id++ : 0;
}

static void resize(void)
{
    struct model_image *image = find(true);
    uint64_t blocks = 1 + draw(BLOCKS);

    if (image == NULL)
        return;
    CHECK_EQ(store_image_resize(store, image->number, blocks * BLOCK), 0);
    for (uint64_t i = blocks; i < image->blocks; i++)
        image->at[i] = 0;
    image->blocks = blocks;
}

static void drop(void)
{
    struct model_image *image = find(true);

    if (image == NULL)
        return;
    CHECK_EQ(store_image_delete(store, image->number), 0);
    image->number = 0;
}

static uint64_t sum_of(const struct model_image *image)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BLOCKS; i++)
        sum += image->at[i] != 0;
    return sum * BLOCK;
}

/* A block is shared at the same place only, so places can be counted one by one. */
static void expect(unsigned chosen, uint64_t *ret_mapped, uint64_t *ret_data)
{
    *ret_mapped = *ret_data = 0;
    for (unsigned i = 0; i < IMAGES; i++)
        if ((chosen >> i & 1) != 0)
            *ret_mapped += sum_of(&images[i]);
    for (unsigned place = 0; place < BLOCKS; place++) {
        for (unsigned i = 0; i < IMAGES; i++) {
            unsigned id = images[i].at[place];
            bool counts = (chosen >> i & 1) != 0 && id != 0;

            for (unsigned j = 0; counts && j < IMAGES; j++) {
                bool same = j != i && images[j].number != 0 && images[j].at[place] == id;

                /* of several chosen ones the first counts it */
                counts = !same || ((chosen >> j & 1) != 0 && j > i);
            }
            *ret_data += counts ? BLOCK : 0;
        }
    }
}

static unsigned choose(uint64_t *numbers, size_t *ret_count)
{
    unsigned chosen = 0;

    *ret_count = 0;
    for (unsigned i = 0; i < IMAGES; i++) {
        if (images[i].number == 0 || draw(3) == 0)
            continue;
        chosen |= 1u << i;
        numbers[(*ret_count)++] = images[i].number;
    }
    return chosen;
}

/* What was deleted refers to its blocks until it is reclaimed. */
static void reclaim(void)
{
    int r;

    while ((r = store_step(store, STORE_RECLAIM)) == 1)
        continue;
    CHECK_EQ(r, 0);
}

static void compare_usage(void)
{
    uint64_t numbers[IMAGES], mapped, data;
    struct store_usage usage;
    size_t count;
    unsigned chosen = choose(numbers, &count);

    reclaim();
    expect(chosen, &mapped, &data);
    memset(&usage, 0xff, sizeof usage);
    CHECK_EQ(store_images_usage(store, numbers, count, &usage), 0);
    CHECK_EQ(usage.mapped, mapped);
    CHECK_EQ(usage.data, data);
    for (unsigned i = 0; i < IMAGES; i++) {
        if (images[i].number == 0)
            continue;
        expect(1u << i, &mapped, &data);
        CHECK_EQ(store_images_usage(store, &images[i].number, 1, &usage), 0);
        CHECK_EQ(usage.data, data);
    }
}

static void compare_pair(void)
{
    struct model_image *a = find(true), *b = find(true);
    struct store_difference pieces[7];
    struct store_image *from, *to;
    uint64_t shared = 0, found = 0, place = 0;

    if (a == NULL)
        return;
    for (unsigned i = 0; i < BLOCKS; i++)
        shared += a->at[i] != 0 && a->at[i] == b->at[i];
    CHECK_EQ(store_images_shared(store, a->number, b->number, &found), 0);
    CHECK_EQ(found, shared * BLOCK);
    CHECK_EQ(store_image_open(store, a->number, &from), 0);
    CHECK_EQ(store_image_open(store, b->number, &to), 0);
    while (place < BLOCKS) {
        int count = store_compare(store, from, to, (BLOCKS - place) * BLOCK, place * BLOCK, pieces,
                                  1 + draw(7));

        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            CHECK_EQ(pieces[i].offset, place * BLOCK);
            for (uint64_t end = place + pieces[i].length / BLOCK; place < end; place++) {
                enum store_comparison what = a->at[place] == b->at[place] ? STORE_SAME
                                             : b->at[place] == 0          ? STORE_DIFF_HOLE
                                                                          : STORE_DIFF_DATA;
                CHECK_EQ(pieces[i].what, what);
            }
        }
    }
    store_image_close(store, from);
    store_image_close(store, to);
}

static uint64_t used(void)
{
    struct store_stats stats;

    CHECK_EQ(store_settle(store), 0);
    store_get_stats(store, &stats);
    return stats.used_bytes;
}

/* What it says comes back is what comes back, but for the pages of the image table that held the
 * records of these images alone. */
static void delete_some(void)
{
    uint64_t numbers[IMAGES], before;
    struct store_usage usage;
    size_t count;
    unsigned chosen = choose(numbers, &count);

    before = used();
    CHECK_EQ(store_images_usage(store, numbers, count, &usage), 0);
    for (size_t i = 0; i < count; i++)
        CHECK_EQ(store_image_delete(store, numbers[i]), 0);
    for (unsigned i = 0; i < IMAGES; i++)
        if ((chosen >> i & 1) != 0)
            images[i].number = 0;
    before -= used();
    CHECK(before >= usage.data + usage.metadata);
    CHECK(before <= usage.data + usage.metadata + (count + 2) * BLOCK);
}

static void step(void)
{
    switch (draw(16)) {
    case 0:
    case 1:
        make();
        break;
    case 2:
    case 3:
    case 4:
        clone();
        break;
    case 5:
        resize();
        break;
    case 6:
        drop();
        break;
    case 7:
    case 8:
        change_blocks(false);
        break;
    case 9:
        CHECK_EQ(store_checkpoint(store), 0);
        break;
    default:
        change_blocks(true);
        break;
    }
}

static void random_clones(void)
{
    open_store("random");
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct store_check_result result;

        seed = round + 1;
        for (unsigned i = 0; i < STEPS; i++) {
            step();
            if (i % 10 == 0)
                compare_usage();
            compare_pair();
        }
        delete_some();
        CHECK_EQ(store_check(store, 0, NULL, NULL, &result), 0);
        CHECK_EQ(result.problems, 0);
    }
    close_store();
}

static void nothing_and_no_such_image(void)
{
    struct store_usage usage = {.data = 7};
    uint64_t absent = 99, bytes = 0;

    open_store("nothing");
    CHECK_EQ(store_images_usage(store, NULL, 0, &usage), 0);
    CHECK_EQ(usage.data, 0);
    CHECK_EQ(store_images_usage(store, &absent, 1, &usage), -ENOENT);
    CHECK_EQ(store_images_shared(store, absent, absent, &bytes), -ENOENT);
    close_store();
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"random clones", random_clones},
        {"nothing and no such image", nothing_and_no_such_image},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
