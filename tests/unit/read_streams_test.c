/* Which reads go on in a row, and what is begun to be read then. */
#include "volume/read_streams.h"

#include "check.h"

enum { BLOCK = 4096, KIB = 1 << 10, MIB = 1 << 20 };

static struct read_streams streams;
static struct read_piece piece;
static uint64_t pieces, begun, last_end; /* of what was to be begun: how many, bytes, its end */

static uint64_t chance;

static uint64_t draw(void)
{
    chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407;
    return chance >> 33;
}

static void begin(void)
{
    memset(&streams, 0, sizeof streams);
    pieces = begun = last_end = 0;
}

/* True: something is to be begun; what holds of each such piece is checked. */
static bool reads(uint64_t offset, uint64_t length, bool in_memory)
{
    if (!read_streams_note(&streams, offset, length, &piece))
        return false;
    CHECK(piece.length > 0 && piece.length <= READ_PIECE_MAX);
    CHECK_EQ(piece.offset % BLOCK, 0);
    CHECK_EQ(piece.length % BLOCK, 0);
    CHECK(piece.offset >= offset + length);
    CHECK(piece.offset + piece.length <= offset + length + READ_WINDOW_MAX + BLOCK);
    CHECK(piece.stream < READ_STREAMS);
    pieces++;
    begun += piece.length;
    last_end = piece.offset + piece.length;
    read_streams_told(&streams, &piece, in_memory);
    return true;
}

/* All of [from, to) in a row; nothing is begun twice, and nothing between is left out. */
static void reads_in_row(uint64_t from, uint64_t to, uint64_t length)
{
    uint64_t end = 0, first = 0, at = from;

    for (uint64_t n; at < to; at += n) {
        n = to - at < length ? to - at : length;
        if (reads(at, n, false)) {
            first = end == 0 ? piece.offset : first;
            /* whole blocks: what lies before it was begun, or is read now */
            CHECK(end == 0 || piece.offset == end ||
                  (piece.offset > end && piece.offset - (at + n) < BLOCK));
            end = piece.offset + piece.length;
        } else if (end > 0) {
            CHECK(end >= at + n);
        }
    }
    CHECK(first > from &&
          first - from <= 3 * (length > READ_WINDOW_MIN ? length : READ_WINDOW_MIN));
    CHECK(end >= to + READ_WINDOW_MAX / 4 && end <= to + READ_WINDOW_MAX + BLOCK);
}

static void in_row(void)
{
    static const uint64_t lengths[] = {BLOCK, 16 * KIB, 128 * KIB, 256 * KIB, MIB};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        begin();
        reads_in_row(i * 7 * MIB, 64 * MIB, lengths[i]);
    }
}

static void lengths_that_are_no_blocks(void)
{
    static const uint64_t lengths[] = {512, 1000, 4097, 100 * 1000, MIB - 1, MIB + 512};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        begin();
        reads_in_row(i * 12345, 40 * MIB, lengths[i]);
    }
}

static void window_grows(void)
{
    uint64_t before = 0;

    begin();
    for (uint64_t at = 0; at < 32 * MIB; at += 64 * KIB)
        if (reads(at, 64 * KIB, false)) {
            CHECK(pieces > 1 || piece.length == READ_WINDOW_MIN);
            CHECK(piece.length >= before);
            before = piece.length;
        }
    CHECK_EQ(before, READ_PIECE_MAX);
}

/* No window is as long; there is something to begin all the same. */
static void reads_longer_than_the_window(void)
{
    begin();
    CHECK(!reads(0, 32 * MIB, false));
    for (uint64_t i = 1; i < 5; i++)
        CHECK(reads(i * 32 * MIB, 32 * MIB, false));
}

static void first_read_begins_nothing(void)
{
    begin();
    CHECK(!reads(0, MIB, false));
    begin();
    CHECK(!reads(5 * MIB, 16 * MIB, false));
}

/* Pages that are read in two parts are no row. */
static void few_small_reads_begin_nothing(void)
{
    chance = 1;
    begin();
    for (int i = 0; i < 1000; i++) {
        uint64_t offset = draw() % 1000000 * MIB;

        CHECK(!reads(offset, BLOCK, false));
        CHECK(!reads(offset + BLOCK, BLOCK, false));
    }
}

static void backwards(void)
{
    static const uint64_t lengths[] = {512, BLOCK, 128 * KIB, MIB};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        begin();
        for (uint64_t at = 64 * MIB; at > 0; at -= lengths[i])
            CHECK(!reads(at - lengths[i], lengths[i], false));
    }
}

static void random_reads(void)
{
    chance = 2;
    begin();
    for (int i = 0; i < 100000; i++)
        CHECK(!reads(draw() % (64 * MIB) * BLOCK, BLOCK, false));
}

static void again_and_again_the_same(void)
{
    begin();
    for (int i = 0; i < 1000; i++)
        CHECK(!reads(7 * MIB, MIB, false));
}

static void strides(void)
{
    begin();
    for (uint64_t i = 0; i < 10000; i++)
        CHECK(!reads(i * 8 * BLOCK, BLOCK, false));
    begin();
    for (uint64_t i = 0; i < 1000; i++)
        CHECK(!reads(i * 3 * MIB, MIB, false));
}

/* As many streams as are told apart, with a random read between two of them. */
static void several_streams(void)
{
    uint64_t each[READ_STREAMS] = {0};

    chance = 3;
    begin();
    for (uint64_t at = 0; at < 16 * MIB; at += 256 * KIB)
        for (uint64_t i = 0; i < READ_STREAMS - 1; i++) {
            if (i == 1)
                CHECK(!reads(draw() % 1000 * (uint64_t)100 * MIB + 50 * MIB, BLOCK, false));
            if (reads(i * 1000 * MIB + at, 256 * KIB, false)) {
                CHECK_EQ(piece.offset / (1000 * MIB), i);
                each[i] += piece.length;
            }
        }
    for (unsigned i = 0; i < READ_STREAMS - 1; i++)
        CHECK(each[i] >= 16 * MIB);
}

/* Of a client with several requests under way, worked on by several threads. */
static void out_of_turn(void)
{
    static const uint64_t lengths[] = {BLOCK, 128 * KIB, MIB};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint64_t total = 64 * MIB / lengths[i];

        chance = 4;
        begin();
        for (uint64_t at = 0; at + 4 <= total; at += 4) {
            uint64_t turn[4] = {at, at + 1, at + 2, at + 3};

            for (unsigned k = 3; k > 0; k--) {
                unsigned other = (unsigned)draw() % (k + 1);
                uint64_t kept = turn[k];

                turn[k] = turn[other];
                turn[other] = kept;
            }
            for (unsigned k = 0; k < 4; k++)
                reads(turn[k] * lengths[i], lengths[i], false);
        }
        /* what is passed by is under way in another thread: with 4 MiB, a good part of it all */
        CHECK(begun >= 32 * MIB && begun <= 70 * MIB);
        CHECK(last_end >= 62 * MIB);
    }
}

/* What is in memory costs a look now and then. */
static void in_memory(void)
{
    begin();
    for (uint64_t at = 0; at < 1024 * (uint64_t)MIB; at += MIB)
        reads(at, MIB, true);
    CHECK(pieces > 1024 / 32 && pieces < 1024 / 16 + 16);
    /* and is no longer */
    for (uint64_t at = 1024 * (uint64_t)MIB; at < 1048 * (uint64_t)MIB; at += MIB)
        reads(at, MIB, false);
    pieces = begun = 0;
    for (uint64_t at = 1048 * (uint64_t)MIB; at < 1112 * (uint64_t)MIB; at += MIB)
        reads(at, MIB, false);
    CHECK_EQ(begun, 64 * MIB);
}

/* The answer for a stream that had to make room meanwhile. */
static void told_too_late(void)
{
    struct read_piece old;

    begin();
    CHECK(!read_streams_note(&streams, 0, MIB, &old));
    CHECK(read_streams_note(&streams, MIB, MIB, &old));
    for (uint64_t i = 1; i <= READ_STREAMS; i++)
        CHECK(!reads(i * 1000 * MIB, MIB, false));
    read_streams_told(&streams, &old, true);
    for (uint64_t i = 1; i <= READ_STREAMS; i++) {
        CHECK(reads(i * 1000 * MIB + MIB, MIB, false));
        CHECK_EQ(piece.offset, i * 1000 * MIB + 2 * MIB);
    }
}

static void at_the_end_of_numbers(void)
{
    uint64_t last = UINT64_MAX / 2 / MIB * MIB;

    begin();
    for (uint64_t at = last - 32 * MIB; at < last; at += MIB)
        reads(at, MIB, false);
    CHECK(pieces > 0 && last_end > last);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"in a row", in_row},
        {"lengths that are no blocks", lengths_that_are_no_blocks},
        {"the window grows", window_grows},
        {"reads longer than the window", reads_longer_than_the_window},
        {"the first read begins nothing", first_read_begins_nothing},
        {"a few small reads begin nothing", few_small_reads_begin_nothing},
        {"backwards", backwards},
        {"random reads", random_reads},
        {"again and again the same", again_and_again_the_same},
        {"strides", strides},
        {"several streams", several_streams},
        {"out of turn", out_of_turn},
        {"in memory", in_memory},
        {"told too late", told_too_late},
        {"at the end of numbers", at_the_end_of_numbers},
    };
    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
