/* The digest of contents, against what tests/digest/recompute.py says of them. */
#include "digest/digest.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Bit i of `blank`: leaf i is all zeroes. Of the others every `stride`th byte is not. */
static const struct {
    uint64_t size;
    unsigned blank;
    size_t stride;
    const char *flat, *blocks;
} vectors[] = {
    {0, 0x0, 509, "4322fd2bc0a137d1375b37b3b2e2b4715b3d3dd7ca9682438d4fea0f8437fad3",
     "6c449f91c1adbf3945ad078f5f875c0c1f133f246c4588668faffbe23a3c195f"},
    {1, 0x0, 509, "038a058282d8ab0864eee0f52e1c07db7d071854d6c09f8ec4e1ebd86ece1c01",
     "3359cd510d09aded633728cfa73c4062d41411807869bfda739e8bd388e571d5"},
    {512, 0x1, 509, "80ce21d79827e31ab24a2adb1d076137c406668989e77bff88754cf89cba82dd",
     "5877a9d82ab4cd525e1e7b5646ab55107a76cbf7372605d2ee3dc01b8933acae"},
    {1048576, 0x0, 509, "34f06f0a8712a60551690d1451559131483c32295fa2c09d2ac6bf2afa9cd9f0",
     "2f76d340631f6ddb1f38bb3e5a67ec54e07c86e545d62138d6240f9eb8fda683"},
    {1048576, 0x1, 509, "7f81452fb1bd826ed649dc7d95d012aaaaab78b05e27fbd027b00a6434dbc747",
     "a6756797bd556057a305a1b9f3086e566781e4a69a505a06c696ca475b20b223"},
    {1048577, 0x0, 509, "9abaebad4dce85063551b104924b72d9490a399341d4fd1e9fe49db1770ab43a",
     "687d053c6be0d6a70b29da209280c7d06284a65b757b045dc50ec97d71a42fb8"},
    {3145728, 0x0, 509, "234d3105a62a6063a9212548a141a0135c312c0a9d9e7bee01ef6bf73bb516ed",
     "6a6894beb25fd06f24bc1c83baa35810fdb3cfeada9e1e6208bf95d719c6e168"},
    {3145728, 0x7, 509, "a9912d81ff9813e8e6caf6b8aa2d1ce262b5bba5b3f6bff1794253f855f15faa",
     "6ade4c45f49383c6fc4b6ba9df3565a31c8d8d7805dc731e078bd97a9364bf27"},
    {5246976, 0x2a, 509, "b1b4aabb83db817f209446d0c38f583ab8f99f555b467d211c80a93d23d1019b",
     "5fa0ae9a5debad80b50a67611275490c0259cf349fe109fa1ee18dae087ca462"},
    {5246976, 0x20, 509, "8340b73d82fbd0531b2f57f4ab624a4f3613c20612109958cc327699e8187386",
     "447bc88034d6383c0ade1c3aa20daafbcf6776e3ac6b613a9bd91c7592da0878"},
    {7340032, 0x3f, 509, "53896d6f76fc2373d1ec0e8e0f15fc75f92de019ef2ca3ccad8401ee38b76f33",
     "2527f00a41e48e815cdceb91379c2c5ef49614bea0725ed67f0ececd619d7564"},
    {8388608, 0xff, 509, "c8eae1bf81fb116b7b78f174f47bf2616934ebdb6c8180a81d90903f1541aa2c",
     "9032e13c6afe15911568342a7c59d9e722a5d94a5f6b2b7df9a14e0a5c26d482"},
    {9437284, 0x3fe, 509, "989360a47efec2da58cf3ef7d97e7593a10871809781d9e4137195ef88acb017",
     "16eb63a7f06f2afd90cd077b75f2dcb3dc3cc0f512892b756b11bd4810ee1102"},
    {1048576, 0x0, 9973, "c916e5fbad8760f5757183c381dc74cf8fae124e1a4ae2d9623529f2bfe0fbaf",
     "6c93c25e7b27aa39ee1d5f44a3820be13fb0de6199ca3aec33c2841da6b3eaf9"},
    {3149825, 0x2, 9973, "2f84c4c059d5b4848d279fb0f1629ff631fcfbe1cea64ac9a1c879df6cdeab10",
     "e55db39def1d1ad2212fde95e89a2a0795e2f2660210ef9f5e108d5f182c9c1f"},
    {4096, 0x0, 9973, "780469bdab931f86d2da7d70efca0e541487b900a8f965c2674e87eb9c39e2dc",
     "60e2a163880694babc4915fe4086a40232114e5711afe69ac00e43be644b675a"},
    {4097, 0x0, 9973, "c6da0af11b6acbc440cf6c79e92174782b25758d9c025c40c01d632abf0711fe",
     "30f2f8d6e0276ea26a92d0ccfd6efebb850eff10b851bdff4da81ab309861203"},
    {2097151, 0x0, 9973, "2ee41f2ed90661a6c4aae63825d571bd4aa9cc6bedac6e3ccc79236311130405",
     "32ca51a75c339b9b45c8b2397851eccfdc16eda8dccd7851a964af2e7ce77ccd"},
};

static void fill(uint8_t *leaf, uint64_t index, uint64_t length, size_t stride)
{
    memset(leaf, 0, DIGEST_LEAF);
    for (uint64_t i = 0; i < length; i += stride)
        leaf[i] = (uint8_t)((index * 7 + i) % 251 + 1);
}

/* With `runs` zeroes are folded as such, else hashed like all else. */
static void fold(const struct digest_shape *shape, size_t vector, bool runs, char *text)
{
    static uint8_t leaf[DIGEST_LEAF];
    const unsigned blank = vectors[vector].blank;
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
        fill(leaf, i, (blank >> i & 1) != 0 ? 0 : length, vectors[vector].stride);
        CHECK_EQ(digest_leaf(shape, i, leaf, &digest), 0);
        CHECK_EQ(digest_is_blank(&digest), (blank >> i & 1) != 0);
        CHECK_EQ(digest_fold_leaf(&fold, &digest), 0);
    }
    CHECK_EQ(digest_fold_end(&fold, &digest), 0);
    digest_print(&digest, text);
}

static void vectors_hold(void)
{
    static const enum digest_construction both[] = {DIGEST_FLAT, DIGEST_BLOCKS};

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        for (unsigned k = 0; k < 2; k++) {
            const char *wanted = k == 0 ? vectors[i].flat : vectors[i].blocks;
            struct digest_shape shape;
            char text[DIGEST_TEXT + 1];

            CHECK_EQ(digest_shape_of(both[k], vectors[i].size, &shape), 0);
            fold(&shape, i, false, text);
            CHECK_HAS(text, wanted);
            fold(&shape, i, true, text);
            CHECK_HAS(text, wanted);
        }
}

/* Without a shape, of contents of one leaf. */
static void small_ones_are_the_same(void)
{
    static uint8_t leaf[DIGEST_LEAF];

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct digest digest;
        char text[DIGEST_TEXT + 1];

        if (vectors[i].size > DIGEST_LEAF)
            continue;
        fill(leaf, 0, vectors[i].blank != 0 ? 0 : vectors[i].size, vectors[i].stride);
        CHECK_EQ(digest_small(leaf, vectors[i].size, &digest), 0);
        digest_print(&digest, text);
        CHECK_HAS(text, vectors[i].flat);
    }
}

/* A node of zeroes is what its leaves make of it, also the last one. */
static void zeroes_are_known_by_level(void)
{
    struct digest_shape shape;
    struct digest top, root, folded;
    struct digest_fold zeroes;

    for (uint64_t size = 1; size < (uint64_t)1 << 62; size = size * 3 + 1) {
        CHECK_EQ(digest_shape_of(size % 2 == 0 ? DIGEST_FLAT : DIGEST_BLOCKS, size, &shape), 0);
        top = *digest_of_zeroes(&shape, shape.top, 0);
        CHECK_EQ(digest_root(&shape, &top, &root), 0);
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

    CHECK_EQ(digest_shape_of(DIGEST_BLOCKS, (uint64_t)LEAVES << DIGEST_LEAF_SHIFT, &shape), 0);
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
        {"small ones are the same", small_ones_are_the_same},
        {"zeroes are known by level", zeroes_are_known_by_level},
        {"slots are places", slots_are_places},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
