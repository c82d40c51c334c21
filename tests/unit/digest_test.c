/* The digest of contents, against what tests/digest/recompute.py says of them. */
#include "digest/digest.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Bit i of `blank`: leaf i is all zeroes. */
static const struct {
    uint64_t size;
    unsigned blank;
    const char *digest;
} vectors[] = {
    {0, 0x0, "4322fd2bc0a137d1375b37b3b2e2b4715b3d3dd7ca9682438d4fea0f8437fad3"},
    {1, 0x0, "038a058282d8ab0864eee0f52e1c07db7d071854d6c09f8ec4e1ebd86ece1c01"},
    {512, 0x1, "80ce21d79827e31ab24a2adb1d076137c406668989e77bff88754cf89cba82dd"},
    {1048576, 0x0, "34f06f0a8712a60551690d1451559131483c32295fa2c09d2ac6bf2afa9cd9f0"},
    {1048576, 0x1, "7f81452fb1bd826ed649dc7d95d012aaaaab78b05e27fbd027b00a6434dbc747"},
    {1048577, 0x0, "9abaebad4dce85063551b104924b72d9490a399341d4fd1e9fe49db1770ab43a"},
    {3145728, 0x0, "234d3105a62a6063a9212548a141a0135c312c0a9d9e7bee01ef6bf73bb516ed"},
    {3145728, 0x7, "a9912d81ff9813e8e6caf6b8aa2d1ce262b5bba5b3f6bff1794253f855f15faa"},
    {5246976, 0x2a, "b1b4aabb83db817f209446d0c38f583ab8f99f555b467d211c80a93d23d1019b"},
    {5246976, 0x20, "8340b73d82fbd0531b2f57f4ab624a4f3613c20612109958cc327699e8187386"},
    {7340032, 0x3f, "53896d6f76fc2373d1ec0e8e0f15fc75f92de019ef2ca3ccad8401ee38b76f33"},
    {8388608, 0xff, "c8eae1bf81fb116b7b78f174f47bf2616934ebdb6c8180a81d90903f1541aa2c"},
    {9437284, 0x3fe, "989360a47efec2da58cf3ef7d97e7593a10871809781d9e4137195ef88acb017"},
};

static void fill(uint8_t *leaf, uint64_t index, uint64_t length)
{
    memset(leaf, 0, DIGEST_LEAF);
    for (uint64_t i = 0; i < length; i += 509)
        leaf[i] = (uint8_t)((index * 7 + i) % 251 + 1);
}

/* With `runs` zeroes are folded as such, else hashed like all else. */
static void fold(const struct digest_shape *shape, unsigned blank, bool runs, char *text)
{
    static uint8_t leaf[DIGEST_LEAF];
    struct digest_fold fold;
    struct digest digest;

    digest_fold_begin(&fold, shape);
    for (uint64_t i = 0; i < shape->leaves; i++) {
        uint64_t length = digest_leaf_length(shape, i);

        if ((blank >> i & 1) != 0 && runs) {
            uint64_t run = 1;

            while (i + run < shape->leaves && (blank >> (i + run) & 1) != 0)
                run++;
            CHECK_EQ(digest_fold_zeroes(&fold, run), 0);
            i += run - 1;
            continue;
        }
        fill(leaf, i, (blank >> i & 1) != 0 ? 0 : length);
        CHECK_EQ(digest_leaf(leaf, length, &digest), 0);
        CHECK_EQ(digest_fold_leaf(&fold, &digest), 0);
    }
    CHECK_EQ(digest_fold_end(&fold, &digest), 0);
    digest_print(&digest, text);
}

static void vectors_hold(void)
{
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct digest_shape shape;
        char text[DIGEST_TEXT + 1];

        CHECK_EQ(digest_shape_of(vectors[i].size, &shape), 0);
        fold(&shape, vectors[i].blank, false, text);
        CHECK_HAS(text, vectors[i].digest);
        fold(&shape, vectors[i].blank, true, text);
        CHECK_HAS(text, vectors[i].digest);
    }
}

/* A node of zeroes is what its leaves make of it, also the last one. */
static void zeroes_are_known_by_level(void)
{
    struct digest_shape shape;
    struct digest top, root, folded;
    struct digest_fold zeroes;

    for (uint64_t size = 1; size < (uint64_t)1 << 62; size = size * 3 + 1) {
        CHECK_EQ(digest_shape_of(size, &shape), 0);
        top = *digest_of_zeroes(&shape, shape.top, 0);
        CHECK_EQ(digest_root(size, &top, &root), 0);
        digest_fold_begin(&zeroes, &shape);
        CHECK_EQ(digest_fold_zeroes(&zeroes, shape.leaves), 0);
        CHECK_EQ(digest_fold_end(&zeroes, &folded), 0);
        CHECK(digest_equal(&root, &folded));
    }
}

/* Slots are different, and lie within twice the leaves. */
static void slots_are_places(void)
{
    enum { LEAVES = 100 };
    bool taken[2 * LEAVES] = {false};
    struct digest_shape shape;

    CHECK_EQ(digest_shape_of((uint64_t)LEAVES << DIGEST_LEAF_SHIFT, &shape), 0);
    for (unsigned level = 0; level <= shape.top; level++)
        for (uint64_t i = 0; i <= (uint64_t)(LEAVES - 1) >> level; i++) {
            uint64_t slot = digest_slot(level, i);

            if (level > 0 && !digest_has_right(&shape, level, i))
                continue;
            CHECK(slot < 2 * (uint64_t)LEAVES);
            CHECK(!taken[slot]);
            taken[slot] = true;
        }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"vectors hold", vectors_hold},
        {"zeroes are known by level", zeroes_are_known_by_level},
        {"slots are places", slots_are_places},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
