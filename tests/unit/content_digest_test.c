/* The digest of a version, made from that of the one it comes from: the same as from all bytes,
 * whatever changed, and no more is read than what changed. */
#include <stdlib.h>
#include <string.h>
#include <varve/commit.h>
#include <varve/dataset.h>

#include "catalog/catalog_versions.h"
#include "digest/digest.h"
#include "trial_store.h"
#include "volume/served_store.h"

enum { SIZE_MAX_MIB = 70, BLOCK = 4096 };

static struct varve *varve;
static uint8_t model[SIZE_MAX_MIB * MIB];
static uint64_t size;
static uint64_t chance_state;

static uint64_t chance(uint64_t below)
{
    chance_state = chance_state * 6364136223846793005U + 1442695040888963407U;
    return (chance_state >> 33) % below;
}

static void digest_of_model(enum digest_construction construction, char text[DIGEST_TEXT + 1])
{
    static struct digest_shape shape;
    static struct digest_fold fold;
    struct digest digest = {{0}};

    CHECK_EQ(digest_shape_of(construction, size, &shape), 0);
    digest_fold_begin(&fold, &shape);
    for (uint64_t leaf = 0; leaf < shape.leaves; leaf++) {
        CHECK_EQ(digest_leaf(&shape, leaf, model + leaf * MIB, &digest), 0);
        CHECK_EQ(digest_fold_leaf(&fold, &digest), 0);
    }
    CHECK_EQ(digest_fold_end(&fold, &digest), 0);
    digest_print(&digest, text);
}

static struct varve_version make(const char *from)
{
    const struct varve_version_options options = {.from = from, .size = from == NULL ? size : 0};
    struct varve_version version;

    if (varve_version_create(varve, "ds", &options, &version) != 0)
        check_failed(__FILE__, __LINE__, "create: %s", varve_error());
    return version;
}

static void begin(const char *name)
{
    const struct varve_dataset_options options = {.name = "ds"};
    const struct varve_init_options init = {.limit = 512 * (uint64_t)MIB, .journal_size = 4 * MIB};
    const char *dir = scratch_path(name);

    CHECK_EQ(varve_init(dir, &init), 0);
    varve = trial_open(dir, 0);
    CHECK_EQ(varve_dataset_create(varve, &options, NULL), 0);
}

static void end(void)
{
    struct varve_check_result result;

    CHECK_EQ(varve_check(varve, VARVE_CHECK_DATA, NULL, NULL, &result), 0);
    CHECK_EQ(result.problems, 0);
    CHECK_EQ(varve_close(varve), 0);
}

static void write_both(struct store_image *image, uint64_t offset, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++)
        model[offset + i] = (uint8_t)chance(256);
    CHECK_EQ(store_write(varve->store, image, model + offset, length, offset, 0), 0);
}

/* A few changes of a kind that depends on the round: single blocks, odd ranges, holes, zeroes that
 * are written, whole leaves. */
static void change(struct store_image *image)
{
    const uint64_t count = 1 + chance(300);

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t offset = chance(size);
        uint64_t length = chance(8) == 0 ? 1 + chance(20000) : 1 + chance(BLOCK);

        length = length < size - offset ? length : size - offset;
        if (chance(4) == 0) {
            memset(model + offset, 0, length);
            if (chance(2) == 0)
                CHECK_EQ(store_zero(varve->store, image, length, offset, 0), 0);
            else
                CHECK_EQ(store_write(varve->store, image, model + offset, length, offset, 0), 0);
        } else {
            write_both(image, offset, length);
        }
    }
    if (chance(3) == 0) {
        const uint64_t offset = chance(size / MIB) * MIB;

        memset(model + offset, 0, MIB);
        CHECK_EQ(store_zero(varve->store, image, MIB, offset, 0), 0);
    }
}

static void resize(uint64_t image)
{
    const uint64_t wanted = 2 * MIB + chance((SIZE_MAX_MIB - 2) * (uint64_t)MIB / 512) * 512;

    if (wanted > size)
        memset(model + size, 0, wanted - size);
    CHECK_EQ(store_image_resize(varve->store, image, wanted), 0);
    size = wanted;
}

/* Over the border of a group of 64 leaves, and with sizes that end anywhere. */
static void a_chain_of_changes(void)
{
    enum { ROUNDS = 40 };
    struct varve_version version;
    char text[DIGEST_TEXT + 1];

    begin("chain");
    chance_state = 3;
    size = 66 * (uint64_t)MIB + 512;
    memset(model, 0, sizeof model);
    version = make(NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct varve_verification found;
        struct varve_commit made;
        struct store_image *image;

        CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
        if (round == 0)
            write_both(image, 5 * MIB, 20 * MIB);
        change(image);
        if (round % 5 == 4)
            resize(version.image);
        store_image_close(varve->store, image);
        if (varve_version_commit(varve, version.ref, 0, &made) != 0)
            check_failed(__FILE__, __LINE__, "commit: %s", varve_error());
        digest_of_model(DIGEST_BLOCKS, text);
        if (strcmp(made.digest, text) != 0)
            check_failed(__FILE__, __LINE__, "round %u: %s, not %s", round, made.digest, text);
        CHECK_EQ(varve_version_verify(varve, version.ref, NULL, NULL, &found), 0);
        CHECK(found.sound && !found.record_damaged);
        version = make(version.ref);
    }
    end();
}

static uint64_t commit_and_count(const struct varve_version *version, struct varve_commit *made)
{
    struct store_stats before, after;

    store_get_stats(varve->store, &before);
    CHECK_EQ(varve_version_commit(varve, version->ref, 0, made), 0);
    store_get_stats(varve->store, &after);
    return after.read_bytes - before.read_bytes;
}

/* One block in each leaf: what is read is these blocks and digests of blocks, not the leaves. */
static void scattered_blocks_cost_what_they_are(void)
{
    struct varve_version version;
    struct store_image *image;
    struct varve_commit made;
    char text[DIGEST_TEXT + 1];
    uint64_t unchanged, scattered;

    begin("scattered");
    chance_state = 4;
    size = SIZE_MAX_MIB * (uint64_t)MIB;
    version = make(NULL);
    CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
    write_both(image, 0, size);
    store_image_close(varve->store, image);
    CHECK(commit_and_count(&version, &made) >= size);
    CHECK_EQ(made.hashed, SIZE_MAX_MIB);
    version = make(version.ref);
    unchanged = commit_and_count(&version, &made);
    CHECK_EQ(made.hashed, 0);
    version = make(version.ref);
    CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
    for (uint64_t leaf = 0; leaf < SIZE_MAX_MIB; leaf++)
        write_both(image, leaf * MIB + chance(MIB / BLOCK) * BLOCK, BLOCK);
    store_image_close(varve->store, image);
    scattered = commit_and_count(&version, &made);
    CHECK_EQ(made.hashed, SIZE_MAX_MIB);
    digest_of_model(DIGEST_BLOCKS, text);
    CHECK_HAS(made.digest, text);
    /* A block of data and two of digests for each leaf, and a few of slots. */
    CHECK(scattered - unchanged < 4 * BLOCK * (uint64_t)SIZE_MAX_MIB);
    end();
}

/* A version of the older construction whose tree is gone is still known to be whole, or not. */
static void the_older_construction_without_its_tree(void)
{
    const struct catalog_change change = {"test", "committed"};
    struct varve_verification found;
    struct varve_version version;
    struct catalog_version row;
    struct catalog *catalog;
    struct store_image *image;

    begin("flat");
    chance_state = 5;
    size = 3 * (uint64_t)MIB + 512;
    memset(model, 0, sizeof model);
    for (unsigned whole = 0; whole < 2; whole++) {
        version = make(NULL);
        CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
        write_both(image, MIB + 5, MIB);
        store_image_close(varve->store, image);
        CHECK_EQ(store_image_change_flags(varve->store, version.image, STORE_IMAGE_FROZEN, 0), 0);
        CHECK_EQ(names_enter(varve, &catalog), 0);
        CHECK_EQ(catalog_version_of_image(catalog, version.image, &row), 0);
        CHECK_EQ(store_image_create(varve->store, BLOCK, 0, "", &row.tree_image), 0);
        if (whole == 0)
            model[5] ^= 1;
        digest_of_model(DIGEST_FLAT, row.digest);
        memset(model, 0, MIB);
        snprintf(row.class, sizeof row.class, "raw");
        snprintf(row.committer, sizeof row.committer, "test");
        row.committed = 1;
        CHECK_EQ(catalog_version_commit(catalog, &row, &change, &row.sequence), 0);
        names_leave(varve);
        CHECK_EQ(varve_version_verify(varve, version.ref, NULL, NULL, &found), 0);
        CHECK(found.record_damaged && found.sound == (whole == 1));
    }
    end();
}

/* Flips a bit wherever these bytes stand in the extents. */
static unsigned damage_extents(const char *dir, const uint8_t *bytes, size_t length)
{
    static uint8_t content[256 * MIB];
    char path[512];
    unsigned found = 0;
    size_t filled;
    FILE *file;

    snprintf(path, sizeof path, "%s/extents", dir);
    file = fopen(path, "r+b");
    CHECK(file != NULL);
    filled = fread(content, 1, sizeof content, file);
    for (uint8_t *at = content; at != NULL && at < content + filled;) {
        at = memmem(at, filled - (size_t)(at - content), bytes, length);
        if (at == NULL)
            break;
        CHECK_EQ(fseek(file, at - content, SEEK_SET), 0);
        CHECK(fputc(*at ^ 1, file) != EOF);
        found++;
        at += length;
    }
    CHECK_EQ(fclose(file), 0);
    return found;
}

/* The next version is none the worse for it: it is read in full. */
static void damaged_digests_of_the_base(void)
{
    struct varve_version version;
    struct store_image *image;
    struct varve_commit made;
    struct digest digest;
    char text[DIGEST_TEXT + 1];

    begin("damaged");
    chance_state = 6;
    size = 4 * (uint64_t)MIB;
    version = make(NULL);
    CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
    write_both(image, 0, size);
    store_image_close(varve->store, image);
    CHECK_EQ(varve_version_commit(varve, version.ref, 0, &made), 0);
    CHECK_EQ(varve_close(varve), 0);
    CHECK_EQ(digest_blocks(model + MIB + 7 * BLOCK, BLOCK, &digest), 0);
    CHECK(damage_extents(scratch_path("damaged"), digest.bytes, sizeof digest.bytes) > 0);

    varve = trial_open(scratch_path("damaged"), 0);
    version = make(version.ref);
    CHECK_EQ(store_image_open(varve->store, version.image, &image), 0);
    write_both(image, MIB + 9 * BLOCK, 100);
    store_image_close(varve->store, image);
    if (varve_version_commit(varve, version.ref, 0, &made) != 0)
        check_failed(__FILE__, __LINE__, "commit: %s", varve_error());
    CHECK_EQ(made.hashed, 4);
    CHECK_EQ(made.reused, 0);
    digest_of_model(DIGEST_BLOCKS, text);
    CHECK_HAS(made.digest, text);
    CHECK_EQ(varve_close(varve), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"a chain of changes", a_chain_of_changes},
        {"scattered blocks cost what they are", scattered_blocks_cost_what_they_are},
        {"damaged digests of the base", damaged_digests_of_the_base},
        {"the older construction without its tree", the_older_construction_without_its_tree},
    };

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
