/*
 * The scrub against an independent walk of the simulated disk:
 *
 *   scrub [--seed N] [--stores N] [--rounds N] [--verbose]
 *
 * Each store has a random history and a clean stop. A pass over it finds nothing and reads each
 * block that is referred to once. Then, N times, some blocks of it are damaged (bit flipped,
 * zeroed, as it was before its last write, with the content of another block, swapped):
 * one pass finds exactly those, but for what lies below a damaged page and nowhere else, and names
 * the images that have them. Last, passes go on between the operations of a further history: they
 * find nothing but what is planted.
 */
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "format/image_record.h"
#include "format/summary_page.h"
#include "format/superblock.h"
#include "play.h"
#include "play_random.h"
#include "seeds.h"
#include "store/store_scrub.h"

enum { BLOCK = 4096, HISTORY = 80, BLOCKS_MAX = 1 << 12, IMAGES_MAX = 256, PLANTED_MAX = 6 };
enum { TABLE_LEVEL = 3 };

static struct {
    struct play play;
    uint32_t seed;
    /* what the walk met, by block */
    bool met[BLOCKS_MAX], bad[BLOCKS_MAX];
    uint8_t kind[BLOCKS_MAX];
    uint64_t images_of[BLOCKS_MAX];       /* how many have the block */
    uint64_t sound_images_of[BLOCKS_MAX]; /* before the damage */
    uint64_t last_image[BLOCKS_MAX];
    uint64_t count;
    struct image_record images[IMAGES_MAX];
    size_t image_count;
    /* what the scrub found */
    bool found[BLOCKS_MAX];
    uint64_t found_count;
    bool compare_images;
    uint64_t planted; /* and found, in all stores */
} test;

static struct seeds_number numbers[] = {{"rounds", 10}, {0}};

static uint64_t below(uint64_t limit)
{
    return chance_below(&test.play.chance, limit);
}

/* --- the walk ---- */

static void peek(uint64_t block, uint8_t *bytes)
{
    sim_disk_peek(test.play.disk, IO_EXTENTS, block * BLOCK, bytes, BLOCK);
}

/* Counts it, and says whether it is sound. */
static bool meet(struct ref ref, enum store_damage_kind kind, uint64_t image, uint8_t *bytes)
{
    uint64_t block = ref.at.n;

    if (block >= BLOCKS_MAX)
        play_failed(&test.play, "block %llu is past the end", (unsigned long long)block);
    test.count += !test.met[block];
    test.met[block] = true;
    test.kind[block] = (uint8_t)kind;
    if (image != 0 && test.last_image[block] != image) {
        test.last_image[block] = image;
        test.images_of[block]++;
    }
    peek(block, bytes);
    test.bad[block] = crc32c_block(test.seed, ref.at, bytes) != ref.crc;
    return !test.bad[block];
}

static void walk(struct ref ref, unsigned level, enum store_damage_kind kind, uint64_t image)
{
    uint8_t bytes[BLOCK], data[BLOCK];

    if (ref.kind != REF_HERE || !meet(ref, kind, image, bytes))
        return;
    for (unsigned i = 0; i < REFS_PER_PAGE; i++) {
        struct ref child = ref_load(bytes + (size_t)i * REF_BYTES);

        if (level > 0)
            walk(child, level - 1, kind, image);
        else if (kind == STORE_DAMAGED_MAP && child.kind == REF_HERE)
            (void)meet(child, STORE_DAMAGED_DATA, image, data);
    }
    for (unsigned i = 0; level == 0 && kind == STORE_DAMAGED_TABLE && i < IMAGE_RECORDS_PER_PAGE;
         i++) {
        const uint8_t *at = bytes + (size_t)i * IMAGE_RECORD_BYTES;
        struct image_record *record = &test.images[test.image_count];

        if (test.image_count < IMAGES_MAX && ref_load(at).kind <= REF_HERE &&
            image_record_decode(at, le64_load(at + 16), record) == NULL && record->image != 0)
            test.image_count++;
    }
}

static void fixed(uint64_t block, enum store_damage_kind kind, bool bad)
{
    test.count += !test.met[block];
    test.met[block] = true;
    test.kind[block] = (uint8_t)kind;
    test.bad[block] = bad;
}

/* The store is one supergroup. With `again` the images are those of the walk before. */
static void walk_all(const struct superblock *super, const struct summary_page *summary,
                     unsigned slot, bool again)
{
    uint8_t bytes[BLOCK];
    size_t images = test.image_count;

    memset(test.met, 0, sizeof test.met);
    memset(test.bad, 0, sizeof test.bad);
    memset(test.images_of, 0, sizeof test.images_of);
    memset(test.last_image, 0, sizeof test.last_image);
    test.count = test.image_count = 0;
    for (unsigned copy = 0; copy < LAYOUT_SUPERBLOCK_COPIES; copy++) {
        struct superblock other;

        peek(layout_superblock(copy).n, bytes);
        fixed(layout_superblock(copy).n, STORE_DAMAGED_SUPERBLOCK,
              superblock_decode(bytes, layout_superblock(copy), &other) != NULL ||
                  other.checkpoint != super->checkpoint);
    }
    peek(layout_summary_slot(0, slot).n, bytes);
    struct summary_page now;
    uint32_t crc;
    fixed(layout_summary_slot(0, slot).n, STORE_DAMAGED_SUMMARY,
          summary_page_decode(test.seed, layout_summary_slot(0, slot), 0, bytes, &now, &crc) !=
                  NULL ||
              now.checkpoint != summary->checkpoint);
    for (uint64_t group = 0; group < LAYOUT_SUPERGROUP_GROUPS; group++) {
        struct pblock at = layout_count_slot(group, summary->groups[group].slot);

        if (!summary->groups[group].written)
            continue;
        peek(at.n, bytes);
        fixed(at.n, STORE_DAMAGED_COUNTS,
              crc32c_block(test.seed, at, bytes) != summary->groups[group].crc);
    }
    walk(super->table_root, TABLE_LEVEL, STORE_DAMAGED_TABLE, 0);
    walk(super->trash_root, TABLE_LEVEL, STORE_DAMAGED_TRASH, 0);
    test.image_count = again ? images : test.image_count;
    for (size_t i = 0; i < test.image_count; i++)
        walk(test.images[i].root, test.images[i].level, STORE_DAMAGED_MAP, test.images[i].image);
}

/* --- the scrub ---- */

static void see_damage(void *opaque, const struct store_damage *damage)
{
    (void)opaque;
    if (damage->block >= BLOCKS_MAX || test.found[damage->block])
        play_failed(&test.play, "block %llu is found twice, or is none",
                    (unsigned long long)damage->block);
    test.found[damage->block] = true;
    test.found_count++;
    if (!test.compare_images)
        return;
    if (damage->kind != test.kind[damage->block])
        play_failed(&test.play, "block %llu is of kind %d, not %d",
                    (unsigned long long)damage->block, test.kind[damage->block], damage->kind);
    /* an image whose own pages are damaged still has them in memory, or not */
    if (damage->kind >= STORE_DAMAGED_MAP &&
        (damage->image_count < test.images_of[damage->block] ||
         damage->image_count > test.sound_images_of[damage->block]))
        play_failed(&test.play, "block %llu is in %llu images, not %llu",
                    (unsigned long long)damage->block,
                    (unsigned long long)test.images_of[damage->block],
                    (unsigned long long)damage->image_count);
}

static void pass(struct store_scrub *scrub)
{
    int r;

    memset(test.found, 0, sizeof test.found);
    test.found_count = 0;
    while ((r = store_scrub_step(scrub, see_damage, NULL)) > 0) {
    }
    if (r < 0)
        play_failed(&test.play, "the scrub fails with %d", r);
}

/* --- damage ---- */

static uint64_t any_met(bool own)
{
    uint64_t block;

    do {
        block = below(BLOCKS_MAX);
    } while (!test.met[block] || (!own && test.kind[block] < STORE_DAMAGED_MAP &&
                                  test.kind[block] != STORE_DAMAGED_COUNTS));
    return block;
}

static void damage(uint64_t block, uint64_t other)
{
    struct sim_disk *disk = test.play.disk;
    uint8_t bytes[BLOCK];

    switch (below(5)) {
    case 0:
        sim_damage_flip(disk, IO_EXTENTS, block * BLOCK + below(BLOCK),
                        (unsigned char)(1u << below(8)));
        break;
    case 1:
        sim_damage_zero(disk, IO_EXTENTS, block * BLOCK);
        break;
    case 2:
        (void)sim_damage_stale(disk, IO_EXTENTS, block * BLOCK);
        break;
    case 3:
        peek(other, bytes);
        sim_disk_poke(disk, IO_EXTENTS, block * BLOCK, bytes, BLOCK);
        break;
    default:
        sim_damage_swap(disk, IO_EXTENTS, block * BLOCK, other * BLOCK);
        break;
    }
}

/* One round: the images' records stay readable, from memory, while pages of the table are damaged.
 */
static uint64_t round_of_damage(struct store_scrub *scrub, const struct superblock *super,
                                const struct summary_page *summary, unsigned slot)
{
    static uint8_t before[BLOCKS_MAX][BLOCK];
    struct io *io = sim_disk_io(test.play.disk);
    uint64_t wanted = 0, blocks = io->ops->size(io, IO_EXTENTS) / BLOCK;
    unsigned planted = 1 + (unsigned)below(PLANTED_MAX);
    bool own = below(4) == 0;

    for (uint64_t block = 0; block < blocks; block++)
        peek(block, before[block]);
    memcpy(test.sound_images_of, test.images_of, sizeof test.images_of);
    for (unsigned i = 0; i < planted; i++)
        damage(any_met(own), any_met(own));
    walk_all(super, summary, slot, true);
    test.compare_images = !own;
    pass(scrub);
    for (uint64_t block = 0; block < BLOCKS_MAX; block++) {
        wanted += test.bad[block];
        if (test.bad[block] != test.found[block])
            play_failed(&test.play, "block %llu (kind %d): damaged %d, found %d",
                        (unsigned long long)block, test.kind[block], test.bad[block],
                        test.found[block]);
    }
    for (uint64_t block = 0; block < blocks; block++)
        sim_disk_poke(test.play.disk, IO_EXTENTS, block * BLOCK, before[block], BLOCK);
    walk_all(super, summary, slot, true);
    return wanted;
}

/* --- a store ---- */

static void read_roots(struct superblock *ret_super, struct summary_page *ret_summary,
                       unsigned *ret_slot)
{
    uint8_t bytes[BLOCK];
    uint32_t crc;

    peek(0, bytes);
    if (superblock_decode(bytes, layout_superblock(0), ret_super) != NULL)
        play_failed(&test.play, "the first superblock is damaged");
    test.seed = crc32c_store_seed(ret_super->identity);
    for (unsigned slot = 0; slot < 2; slot++) {
        peek(layout_summary_slot(0, slot).n, bytes);
        struct summary_page page;

        if (summary_page_decode(test.seed, layout_summary_slot(0, slot), 0, bytes, &page, &crc) ==
                NULL &&
            page.checkpoint <= ret_super->checkpoint &&
            (slot == 0 || page.checkpoint > ret_summary->checkpoint)) {
            *ret_summary = page;
            *ret_slot = slot;
        }
    }
}

/* Writes, clones, deletes, checkpoints, between the steps of one scrub: no false alarm. */
static void while_it_works(struct store_scrub *scrub)
{
    test.compare_images = false;
    memset(test.found, 0, sizeof test.found);
    test.found_count = 0;
    for (unsigned i = 0; i < 400; i++) {
        play_random(&test.play);
        for (uint64_t steps = below(6); steps > 0; steps--)
            if (store_scrub_step(scrub, see_damage, NULL) < 0)
                play_failed(&test.play, "the scrub fails");
        if (test.found_count > 0)
            play_failed(&test.play, "a false alarm");
    }
}

static void run_store(uint64_t seed, bool verbose, const char *again)
{
    static struct superblock super;
    static struct summary_page summary;
    struct store_scrub *scrub;
    struct store_scrub_state state;
    unsigned slot = 0;
    uint64_t rounds = numbers[0].value;

    test.play = (struct play){.repeat = again, .verbose = verbose, .chance.state = seed};
    play_random_store(&test.play, seed, HISTORY);
    play_settle(&test.play);
    play_restart(&test.play);
    summary = (struct summary_page){.supergroup = 0};
    read_roots(&super, &summary, &slot);
    walk_all(&super, &summary, slot, false);
    if (store_scrub_open(test.play.store, &scrub) != 0)
        play_failed(&test.play, "store_scrub_open");
    pass(scrub);
    store_scrub_get(scrub, &state);
    if (test.found_count != 0 || state.pass_bytes != test.count * BLOCK || state.passes != 1)
        play_failed(&test.play, "a sound store: %llu damaged, %llu blocks read of %llu",
                    (unsigned long long)test.found_count,
                    (unsigned long long)state.pass_bytes / BLOCK, (unsigned long long)test.count);
    for (uint64_t i = 0; i < rounds; i++)
        test.planted += round_of_damage(scrub, &super, &summary, slot);
    store_scrub_get(scrub, &state);
    if (state.passes != rounds + 1)
        play_failed(&test.play, "%llu passes", (unsigned long long)state.passes);
    while_it_works(scrub);
    store_scrub_close(scrub);
    play_check(&test.play);
    play_end(&test.play);
}

int main(int argc, char **argv)
{
    int rc = seeds_main(argc, argv, "stores", numbers, run_store);

    if (rc == 0)
        printf("%llu damaged blocks found\n", (unsigned long long)test.planted);
    return rc == 0 ? test.planted == 0 : rc;
}
