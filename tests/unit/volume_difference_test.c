/* A..B as an export: what differs, compared with a model that numbers what each block was given. */
#include <errno.h>
#include <stdlib.h>
#include <varve/export.h>
#include <varve/inspect.h>

#include "catalog/catalog_snapshots.h"
#include "trial_store.h"
#include "volume/image_label.h"
#include "volume/served_store.h"

enum {
    BLOCK = 4096,
    BLOCKS_MAX = 1200, /* more than four leaves of a map */
    SNAPSHOTS = 6,
    CHANGES = 60, /* between two snapshots */
#ifdef __SANITIZE_THREAD__
    SEEDS = 1, /* nothing here has threads, and that sanitizer takes a minute for each */
#else
    SEEDS = 6,
#endif
    COMPARISONS = 60, /* of each pair of snapshots */
};

static const struct catalog_change change = {"test", "planted"};
static struct varve *varve;

/* What the volume holds: `given` is a number of the write that gave a block its place, 0 for a
 * hole. */
struct content {
    uint64_t size;
    uint32_t given[BLOCKS_MAX];
    uint8_t bytes[BLOCKS_MAX][BLOCK];
};
static struct content now, taken[SNAPSHOTS];
static uint32_t writes;

/* xorshift64* */
static uint64_t dice;
static unsigned chance(unsigned below)
{
    dice ^= dice >> 12;
    dice ^= dice << 25;
    dice ^= dice >> 27;
    return (unsigned)((dice * 0x2545f4914f6cdd1d) >> 33) % below;
}

/* Freezes the volume "a" as a@NAME, by what the snapshot verbs stand on. */
static uint64_t freeze(const char *name)
{
    struct catalog_snapshot row = {.id = 0};
    struct store_clone clone = {.flags = STORE_IMAGE_FROZEN};
    struct image_label words = {.kind = LABEL_SNAPSHOT};
    struct catalog_volume volume;
    struct catalog *catalog;
    char label[IMAGE_LABEL_SIZE];

    CHECK_EQ(names_enter(varve, &catalog), 0);
    CHECK_EQ(catalog_volume_find(catalog, "a", &volume), 0);
    snprintf(words.name, sizeof words.name, "%s", name);
    words.head = clone.source = volume.image;
    image_label_format(LABEL_LIVE, &words, label);
    clone.label = label;
    CHECK_EQ(store_image_clone(varve->store, &clone, 1), 0);
    snprintf(row.volume, sizeof row.volume, "a");
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.who, sizeof row.who, "test");
    row.head = volume.image;
    row.image = clone.image;
    row.created = 1;
    CHECK_EQ(catalog_snapshots_insert(catalog, &row, 1, NULL, &change), 0);
    names_leave(varve);
    return clone.image;
}

static struct varve_export *opened(const char *ref)
{
    struct varve_export *export = NULL;

    if (varve_export_open(varve, ref, "test", false, &export) != 0)
        check_failed(__FILE__, __LINE__, "open %s: %s", ref, varve_error());
    return export;
}

static void begin(const char *name, uint64_t size)
{
    varve = trial_open(trial_make(name), 0);
    CHECK_EQ(trial_create(varve, "a", size), 0);
}

static void end(void)
{
    CHECK_EQ(varve_close(varve), 0);
}

static uint64_t blocks(uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK;
}

/* Bytes at any place; one in five writes zeroes, which are data all the same. */
static void change_bytes(struct varve_export *export)
{
    static uint8_t data[40 * BLOCK];
    uint64_t offset = chance((unsigned)now.size);
    uint64_t length = 1 + chance(chance(4) == 0 ? sizeof data : 2 * BLOCK);

    if (length > now.size - offset)
        length = now.size - offset;
    memset(data, chance(5) == 0 ? 0 : (int)chance(256), (size_t)length);
    data[length / 2] ^= (uint8_t)(chance(2) * 7);
    CHECK_EQ(varve_export_write(export, data, (size_t)length, offset, 0), 0);
    memcpy(&now.bytes[0][0] + offset, data, (size_t)length);
    writes++;
    for (uint64_t i = offset / BLOCK; i <= (offset + length - 1) / BLOCK; i++)
        now.given[i] = writes;
}

static void change_to_holes(struct varve_export *export)
{
    uint64_t first = chance((unsigned)(now.size / BLOCK)), count = 1 + chance(300);

    if (count > now.size / BLOCK - first)
        count = now.size / BLOCK - first;
    CHECK_EQ(varve_export_trim(export, count * BLOCK, first * BLOCK, 0), 0);
    memset(now.bytes[first], 0, (size_t)count * BLOCK);
    memset(&now.given[first], 0, (size_t)count * sizeof now.given[0]);
}

/* To whole blocks, so that no edge is written. */
static void change_size(void)
{
    uint64_t count = BLOCKS_MAX / 4 + chance(BLOCKS_MAX * 3 / 4), before = blocks(now.size);

    CHECK_EQ(varve_volume_resize(varve, "a", count * BLOCK), 0);
    now.size = count * BLOCK;
    if (count < before) {
        memset(now.bytes[count], 0, (size_t)(before - count) * BLOCK);
        memset(&now.given[count], 0, (size_t)(before - count) * sizeof now.given[0]);
    }
}

static bool equal(const struct content *a, const struct content *b, uint64_t block)
{
    return a->given[block] == b->given[block];
}

static void compare_map(struct varve_export *export, const struct content *a,
                        const struct content *b, uint64_t offset, uint64_t length)
{
    struct varve_extent extents[7];
    uint64_t at = offset;
    int count = varve_export_extents(export, length, offset, extents, 1 + chance(7));

    CHECK(count > 0);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(extents[i].offset, at);
        CHECK(extents[i].length > 0 && extents[i].length <= offset + length - at);
        CHECK(i == 0 || extents[i].hole != extents[i - 1].hole);
        for (at += extents[i].length; extents[i].length > 0; extents[i].length--) {
            uint64_t block = (extents[i].offset + extents[i].length - 1) / BLOCK;

            CHECK_EQ(extents[i].hole, equal(a, b, block));
        }
    }
}

static void compare_bytes(struct varve_export *export, const struct content *a,
                          const struct content *b, uint64_t offset, uint64_t length)
{
    static uint8_t found[BLOCKS_MAX * BLOCK];

    memset(found, 0xee, (size_t)length);
    CHECK_EQ(varve_export_read(export, found, (size_t)length, offset), 0);
    for (uint64_t i = 0; i < length; i++) {
        uint64_t at = offset + i;
        uint8_t wanted = equal(a, b, at / BLOCK) ? 0 : b->bytes[at / BLOCK][at % BLOCK];

        if (found[i] != wanted)
            check_failed(__FILE__, __LINE__, "byte %llu is %d, not %d", (unsigned long long)at,
                         found[i], wanted);
    }
}

static void compare_pair(unsigned from, unsigned to)
{
    const struct content *a = &taken[from], *b = &taken[to];
    struct varve_export *export;
    char ref[32];

    snprintf(ref, sizeof ref, "a@s%u..a@s%u", from, to);
    export = opened(ref);
    CHECK(!varve_export_can_write(export));
    CHECK_EQ(varve_export_size(export), b->size);
    CHECK_EQ(varve_export_cache(export, b->size, 0), 0);
    compare_bytes(export, a, b, 0, b->size);
    for (unsigned i = 0; i < COMPARISONS; i++) {
        uint64_t offset = chance((unsigned)b->size);
        uint64_t length = 1 + chance((unsigned)(b->size - offset));

        compare_map(export, a, b, offset, length);
        if (i % 8 == 0)
            compare_bytes(export, a, b, offset, length);
    }
    varve_export_close(export);
}

static void play(unsigned seed)
{
    bool resizes = seed % 2 == 1;
    char name[32];

    dice = seed + 1;
    memset(&now, 0, sizeof now);
    /* with an odd end, or with ends that move */
    now.size = resizes ? BLOCKS_MAX / 2 * BLOCK : (BLOCKS_MAX - 1) * BLOCK + 512;
    snprintf(name, sizeof name, "random-%u", seed);
    begin(name, now.size);
    for (unsigned s = 0; s < SNAPSHOTS; s++) {
        if (resizes && s > 0)
            change_size();
        struct varve_export *export = opened("a");
        for (unsigned i = 0; i < (s == 3 ? 0 : CHANGES); i++) {
            if (chance(4) == 0)
                change_to_holes(export);
            else
                change_bytes(export);
        }
        varve_export_close(export);
        snprintf(name, sizeof name, "s%u", s);
        (void)freeze(name);
        taken[s] = now;
    }
    for (unsigned from = 0; from < SNAPSHOTS; from++)
        for (unsigned to = 0; to < SNAPSHOTS; to++)
            compare_pair(from, to);
    end();
}

static void random_changes(void)
{
    for (unsigned seed = 0; seed < SEEDS; seed++)
        play(seed);
}

/* What it says of data that became zeroes, of a hole in the place of data, and of nothing. */
static void zeroes_are_data_where_they_differ(void)
{
    static uint8_t bytes[4 * BLOCK];
    struct varve_extent extents[8];
    struct varve_export *export;

    begin("zeroes", MIB);
    export = opened("a");
    memset(bytes, 'x', sizeof bytes);
    CHECK_EQ(varve_export_write(export, bytes, sizeof bytes, 0, 0), 0);
    (void)freeze("old");
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(varve_export_write(export, bytes, BLOCK, BLOCK, 0), 0); /* zeroes, written */
    CHECK_EQ(varve_export_trim(export, BLOCK, 2 * BLOCK, 0), 0);     /* a hole */
    CHECK_EQ(varve_export_trim(export, BLOCK, 8 * BLOCK, 0), 0);     /* was one before */
    CHECK_EQ(varve_export_write(export, bytes, BLOCK, 9 * BLOCK, 0), 0);
    varve_export_close(export);
    (void)freeze("new");
    export = opened("a@old..a@new");
    CHECK_EQ(varve_export_extents(export, MIB, 0, extents, 8), 5);
    CHECK_EQ(extents[0].hole, true);
    CHECK_EQ(extents[1].offset, BLOCK);
    CHECK_EQ(extents[1].length, 2 * BLOCK);
    CHECK_EQ(extents[1].hole, false);
    CHECK_EQ(extents[3].offset, 9 * BLOCK);
    CHECK_EQ(extents[3].length, BLOCK);
    CHECK_EQ(extents[3].hole, false);
    CHECK_EQ(extents[4].length, MIB - 10 * BLOCK);
    varve_export_close(export);
    export = opened("a@new..a@new");
    CHECK_EQ(varve_export_extents(export, MIB, 0, extents, 8), 1);
    CHECK_EQ(extents[0].hole, true);
    varve_export_close(export);
    end();
}

static void cannot_be_written_and_stays(void)
{
    struct varve_export *export;
    uint64_t old, new;

    begin("stays", MIB);
    old = freeze("old");
    new = freeze("new");
    export = opened("a@old..a@new");
    CHECK_HAS(varve_export_description(export), "difference a@old..a@new");
    CHECK_EQ(varve_export_write(export, "x", 1, 0, 0), -EPERM);
    CHECK_EQ(varve_export_trim(export, BLOCK, 0, 0), -EPERM);
    CHECK_EQ(varve_export_zero(export, BLOCK, 0, 0), -EPERM);
    CHECK_EQ(varve_export_flush(export), 0);
    CHECK_EQ(varve_export_read(export, &(char){0}, 1, MIB), -EINVAL);
    CHECK_EQ(varve_export_read(export, &(char[2]){0}, 2, MIB - 1), -EINVAL);
    CHECK_EQ(varve_export_extents(export, 2, MIB - 1, &(struct varve_extent){0}, 1), -EINVAL);
    CHECK_EQ(store_image_delete(varve->store, old), -EBUSY);
    CHECK_EQ(store_image_delete(varve->store, new), -EBUSY);
    varve_export_close(export);
    end();
}

static void refuses(const char *ref, int error, const char *says)
{
    struct varve_export *export = NULL;

    CHECK_EQ(varve_export_open(varve, ref, "test", true, &export), error);
    CHECK(export == NULL);
    CHECK_HAS(varve_error(), says);
}

static void other_forms_are_refused(void)
{
    struct varve_inspection *inspection = NULL;
    uint64_t old;

    begin("forms", MIB);
    old = freeze("old");
    refuses("a..a@old", -EINVAL, "volume 'a' can be written");
    refuses("a@old..a", -EINVAL, "volume 'a' can be written");
    refuses("a@old..", -EINVAL, "nothing was named");
    refuses("..a@old", -EINVAL, "nothing was named");
    refuses("..", -EINVAL, "nothing was named");
    refuses("a@old..a@old..a@old", -EINVAL, "one ref is wanted");
    refuses("a@old...a@old", -EINVAL, "names nothing");
    refuses("a@old..a@absent", -ENOENT, "absent");
    refuses("a@absent..a@old", -ENOENT, "absent");
    refuses("a@old..A", -EINVAL, "names nothing");
    CHECK_EQ(varve_inspect(varve, "a@old..a@old", &inspection), -EINVAL);
    CHECK_HAS(varve_error(), "difference");
    /* nothing that was refused keeps a seat */
    CHECK_EQ(store_image_delete(varve->store, old), 0);
    end();
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"random changes", random_changes},
        {"zeroes are data where they differ", zeroes_are_data_where_they_differ},
        {"cannot be written and stays", cannot_be_written_and_stays},
        {"other forms are refused", other_forms_are_refused},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
