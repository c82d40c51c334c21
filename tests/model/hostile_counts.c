/*
 * A hostile image: every checksum is right, and the counts are not.
 *
 *   hostile_counts [--seed N] [--stores N] [--rounds N]
 *
 * Each store has images that share what they hold, and a clean stop. Then, N times each on a copy
 * of its disk, some counts are changed and all that is summed over them anew; it is opened, read,
 * written, trimmed, snapshotted, deleted, settled and checked. Every call may fail, with a line
 * that says why; none may end the process, and what is read is what was written.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/error.h>

#include "base/crc32c.h"
#include "chance.h"
#include "format/count_page.h"
#include "format/summary_page.h"
#include "format/superblock.h"
#include "seeds.h"
#include "sim_disk.h"
#include "store/store.h"

enum { BLOCK = 4096, SIZE = 2 << 20, HEADS = 3, IMAGES = 8, MUTATED_MAX = 12, STEPS = 30 };

static struct {
    struct chance chance;
    uint64_t images[IMAGES];
    unsigned count;
    char content[HEADS][SIZE / BLOCK]; /* of the heads; what is frozen is not read again */
    uint64_t refused;
    const char *repeat;
} test;

static struct seeds_number numbers[] = {{"rounds", 50}, {0}};

static uint64_t below(uint64_t limit)
{
    return chance_below(&test.chance, limit);
}

__attribute__((noreturn)) static void fail(const char *what)
{
    printf("FAIL: %s\n     last message: %s\n     repeat with: %s\n", what, varve_error(),
           test.repeat);
    exit(1);
}

static void must(int rc, const char *what)
{
    if (rc != 0)
        fail(what);
}

/* Any answer, but a reason for each refusal. */
static int may(int rc)
{
    if (rc < 0 && varve_error()[0] == '\0')
        fail("a refusal without a line");
    test.refused += rc < 0;
    return rc;
}

static int write_blocks(struct store *store, unsigned head, uint64_t block, unsigned count,
                        char byte)
{
    static char bytes[64 * BLOCK];
    struct store_image *image;
    int rc = store_image_open(store, test.images[head], &image);

    if (rc != 0)
        return rc;
    memset(bytes, byte, sizeof(bytes));
    rc = store_write(store, image, bytes, (size_t)count * BLOCK, block * BLOCK, 0);
    store_image_close(store, image);
    if (rc == 0)
        memset(test.content[head] + block, byte, count);
    return rc;
}

static int clone_one(struct store *store, uint64_t source, unsigned flags)
{
    struct store_clone clone = {.source = source, .flags = flags, .label = "clone"};
    int rc = store_image_clone(store, &clone, 1);

    if (rc == 0 && test.count < IMAGES)
        test.images[test.count++] = clone.image;
    return rc;
}

static struct sim_disk *make_store(uint64_t seed, const struct store_options *options)
{
    struct store_geometry geometry = {.limit = STORE_LIMIT_MIN, .journal = STORE_JOURNAL_MIN};
    struct sim_options setup = {.seed = seed, .journal_size = STORE_JOURNAL_MIN};
    struct sim_disk *disk = sim_disk_new(&setup);
    struct store *store;

    memset(test.content, 0, sizeof(test.content));
    test.count = 0;
    must(store_format(sim_disk_io(disk), &geometry), "format");
    must(store_open(sim_disk_io(disk), options, &store), "open");
    for (unsigned i = 0; i < HEADS; i++)
        must(store_image_create(store, SIZE, 0, "head", &test.images[test.count++]), "create");
    for (unsigned i = 0; i < 40; i++)
        must(write_blocks(store, (unsigned)below(HEADS), below(SIZE / BLOCK - 8),
                          1 + (unsigned)below(8), (char)('a' + below(20))),
             "write");
    for (unsigned i = 0; i < HEADS; i++)
        must(clone_one(store, test.images[i], STORE_IMAGE_FROZEN), "clone");
    for (unsigned i = 0; i < 10; i++)
        must(write_blocks(store, (unsigned)below(HEADS), below(SIZE / BLOCK - 8), 1, 'z'), "write");
    must(store_shutdown(store), "shutdown");
    store_close(store);
    return disk;
}

static uint16_t wrong_count(uint16_t count)
{
    switch (below(4)) {
    case 0:
        return 0;
    case 1:
        return (uint16_t)(count - 1);
    case 2:
        return (uint16_t)(count + 1);
    default:
        return (uint16_t)(COUNT_MAX - below(3));
    }
}

/* Counts of group 0 change, and what is summed over them: its page, the summary, the superblocks.
 */
static void mutate(struct sim_disk *disk)
{
    unsigned char block[BLOCK];
    struct superblock super;
    struct summary_page summary, other;
    uint16_t counts[LAYOUT_GROUP_BLOCKS];
    unsigned used[LAYOUT_GROUP_BLOCKS], n = 0;
    uint32_t crc, unused;

    sim_disk_peek(disk, IO_EXTENTS, 0, block, BLOCK);
    if (superblock_decode(block, layout_superblock(0), &super) != NULL)
        fail("no superblock");
    uint32_t seed = crc32c_store_seed(super.identity);
    struct pblock at = layout_summary_slot(0, 0), at_other = layout_summary_slot(0, 1);
    sim_disk_peek(disk, IO_EXTENTS, pblock_offset(at), block, BLOCK);
    bool first = summary_page_decode(seed, at, 0, block, &summary, &unused) == NULL;
    sim_disk_peek(disk, IO_EXTENTS, pblock_offset(at_other), block, BLOCK);
    if (summary_page_decode(seed, at_other, 0, block, &other, &unused) == NULL &&
        (!first || other.checkpoint > summary.checkpoint)) {
        summary = other;
        at = at_other;
    }
    struct group_summary *group = &summary.groups[0];
    struct pblock slot = layout_count_slot(0, group->slot);
    sim_disk_peek(disk, IO_EXTENTS, pblock_offset(slot), block, BLOCK);
    if (count_page_decode(seed, slot, 0, group->crc, block, counts) != NULL)
        fail("no counts");
    for (unsigned i = 0; i < LAYOUT_GROUP_BLOCKS; i++)
        if (counts[i] > 0)
            used[n++] = i;
    for (uint64_t i = 1 + below(MUTATED_MAX); i > 0; i--) {
        unsigned k = used[below(n)];

        counts[k] = wrong_count(counts[k]);
    }
    group->used = 0;
    for (unsigned i = 0; i < LAYOUT_GROUP_BLOCKS; i++)
        group->used = (uint16_t)(group->used + (counts[i] > 0));
    group->crc = count_page_encode(seed, slot, 0, super.checkpoint, counts, block);
    sim_disk_poke(disk, IO_EXTENTS, pblock_offset(slot), block, BLOCK);
    crc = summary_page_encode(seed, at, &summary, block);
    sim_disk_poke(disk, IO_EXTENTS, pblock_offset(at), block, BLOCK);
    le32_store(block, crc);
    super.summary_crc = crc32c(0, block, 4);
    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        superblock_encode(&super, layout_superblock(copy), block);
        sim_disk_poke(disk, IO_EXTENTS, pblock_offset(layout_superblock(copy)), block, BLOCK);
    }
}

static void read_head(struct store *store, unsigned head)
{
    struct store_image *image;
    char found[BLOCK];

    if (may(store_image_open(store, test.images[head], &image)) != 0)
        return;
    for (uint64_t i = 0; i < SIZE / BLOCK; i++)
        if (may(store_read(store, image, found, BLOCK, i * BLOCK)) == 0 &&
            (found[0] != test.content[head][i] || found[BLOCK - 1] != test.content[head][i]))
            fail("wrong bytes were read");
    store_image_close(store, image);
}

static void zero(struct store *store, unsigned head, uint64_t block, uint64_t count)
{
    struct store_image *image;

    if (may(store_image_open(store, test.images[head], &image)) != 0)
        return;
    if (may(store_zero(store, image, count * BLOCK, block * BLOCK, 0)) == 0)
        memset(test.content[head] + block, 0, count);
    else
        for (uint64_t i = block; i < block + count; i++) { /* each block is old or new */
            char byte;

            if (store_read(store, image, &byte, 1, i * BLOCK) == 0 &&
                (byte == 0 || byte == test.content[head][i]))
                test.content[head][i] = byte;
        }
    store_image_close(store, image);
}

static void one_step(struct store *store)
{
    unsigned head = (unsigned)below(HEADS);

    switch (below(8)) {
    case 0:
        may(clone_one(store, test.images[below(test.count)], STORE_IMAGE_FROZEN));
        break;
    case 1:
        if (test.count > HEADS)
            may(store_image_delete(store, test.images[--test.count]));
        break;
    case 2:
        zero(store, head, below(SIZE / BLOCK - 32), 32);
        break;
    case 3:
        may(store_checkpoint(store));
        break;
    case 4:
        may(store_settle(store));
        break;
    default:
        may(write_blocks(store, head, below(SIZE / BLOCK), 1, (char)('A' + below(20))));
    }
}

static void no_report(void *opaque, const char *line)
{
    (void)opaque;
    (void)line;
}

static void one_round(struct sim_disk *pristine, const struct store_options *options)
{
    struct sim_disk *disk = sim_disk_copy(pristine, below(UINT32_MAX));
    struct store_check_result result;
    struct store_usage usage;
    struct store *store;

    mutate(disk);
    if (may(store_open(sim_disk_io(disk), options, &store)) == 0) {
        for (unsigned i = 0; i < HEADS; i++)
            read_head(store, i);
        may(store_images_usage(store, test.images, test.count, &usage));
        for (unsigned i = 0; i < STEPS; i++)
            one_step(store);
        for (unsigned i = 0; i < HEADS; i++)
            read_head(store, i);
        may(store_check(store, STORE_CHECK_DATA, no_report, NULL, &result));
        while (test.count > 0)
            may(store_image_delete(store, test.images[--test.count]));
        may(store_settle(store));
        may(store_shutdown(store));
        store_close(store);
    }
    sim_disk_free(disk);
}

static void run_store(uint64_t seed, bool verbose, const char *again)
{
    struct store_options options = {.cache_bytes = 1 << 20, .extent_slots = 2, .extent_blocks = 16};
    uint64_t images[IMAGES];
    char content[HEADS][SIZE / BLOCK];

    (void)verbose;
    test.repeat = again;
    test.chance.state = seed;
    struct sim_disk *disk = make_store(seed, &options);
    unsigned count = test.count;
    memcpy(images, test.images, sizeof(images));
    memcpy(content, test.content, sizeof(content));
    for (uint64_t i = 0; i < numbers[0].value; i++) {
        test.count = count;
        memcpy(test.images, images, sizeof(images));
        memcpy(test.content, content, sizeof(content));
        one_round(disk, &options);
    }
    sim_disk_free(disk);
}

int main(int argc, char **argv)
{
    int rc = seeds_main(argc, argv, "stores", numbers, run_store);

    if (rc == 0)
        printf("%llu calls refused\n", (unsigned long long)test.refused);
    if (rc == 0 && test.refused == 0) {
        printf("FAIL: nothing was noticed\n");
        rc = 1;
    }
    return rc;
}
