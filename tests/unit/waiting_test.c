#include "waiting.h"

#include <stdlib.h>

#include "check.h"

enum { MAX = 64, READ = 0, WRITE = 1, DISCONNECT = 2, FLUSH = 3, BLOCK_STATUS = 7 };

static uint8_t stream[1 << 20];
static size_t length;
static struct waiting_mark mark;
static struct waiting_read reads[MAX];
static bool cut;

static void put(unsigned count, uint64_t value)
{
    for (unsigned i = count; i-- > 0;)
        stream[length++] = (uint8_t)(value >> (8 * i));
}

static void request(unsigned type, unsigned flags, uint64_t cookie, uint64_t offset, uint32_t some)
{
    put(4, 0x25609513);
    put(2, flags);
    put(2, type);
    put(8, cookie);
    put(8, offset);
    put(4, some);
}

static void begin(void)
{
    length = 0;
    mark = (struct waiting_mark){{0}};
}

/* From memory of exactly that length: the sanitizers see a byte too many. */
static unsigned look_at(size_t first, size_t end, unsigned max)
{
    uint8_t *copy = malloc(end > first ? end - first : 1);
    unsigned count;

    CHECK(copy != NULL);
    memcpy(copy, stream + first, end - first);
    count = waiting_reads(copy, end - first, &mark, reads, max, &cut);
    free(copy);
    return count;
}

static void many_reads(void)
{
    begin();
    for (unsigned i = 0; i < 40; i++)
        request(READ, 0, i, (uint64_t)i << 33, 512 + i);
    CHECK_EQ(look_at(0, length, MAX), 40);
    for (unsigned i = 0; i < 40; i++) {
        CHECK(reads[i].offset == (uint64_t)i << 33);
        CHECK_EQ(reads[i].length, 512 + i);
    }
}

static void once_each(void)
{
    begin();
    for (unsigned i = 0; i < 30; i++)
        request(READ, 0, 100 + i, 4096 * i, 4096);
    CHECK_EQ(look_at(0, (size_t)10 * WAITING_HEADER, MAX), 10);
    CHECK_EQ(look_at(0, (size_t)10 * WAITING_HEADER, MAX), 0);
    /* three were taken out of the socket, and others came */
    CHECK_EQ(look_at((size_t)3 * WAITING_HEADER, (size_t)12 * WAITING_HEADER, MAX), 2);
    CHECK_EQ(reads[0].offset, 4096 * 10);
    /* few at a time */
    CHECK_EQ(look_at((size_t)3 * WAITING_HEADER, length, 4), 4);
    CHECK_EQ(reads[0].offset, 4096 * 12);
    CHECK_EQ(look_at((size_t)3 * WAITING_HEADER, length, 4), 4);
    CHECK_EQ(reads[0].offset, 4096 * 16);
    /* the marked one is gone */
    CHECK_EQ(look_at((size_t)25 * WAITING_HEADER, length, MAX), 5);
    CHECK_EQ(reads[0].offset, 4096 * 25);
}

static void the_same_twice(void)
{
    begin();
    for (unsigned i = 0; i < 5; i++)
        request(READ, 0, 7, 4096, 4096);
    CHECK_EQ(look_at(0, length, MAX), 5);
    CHECK_EQ(look_at(0, length, MAX), 0);
}

static void truncated(void)
{
    begin();
    request(READ, 0, 1, 0, 512);
    request(READ, 0, 2, 512, 512);
    for (size_t end = 0; end <= length; end++) {
        mark = (struct waiting_mark){{0}};
        CHECK_EQ(look_at(0, end, MAX), (unsigned)(end / WAITING_HEADER));
        CHECK(cut);
    }
}

static void writes(void)
{
    begin();
    request(READ, 0, 1, 0, 512);
    request(WRITE, 1, 2, 512, 3 * WAITING_HEADER);
    size_t data = length;
    for (unsigned i = 0; i < 3; i++) /* data that looks like requests */
        request(READ, 0, 50 + i, 1 << 20, 512);
    size_t end = length;
    request(READ, 0, 3, 1024, 512);
    CHECK_EQ(look_at(0, length, MAX), 2);
    CHECK_EQ(reads[0].offset, 0);
    CHECK_EQ(reads[1].offset, 1024);
    for (size_t some = data; some < end; some++) {
        mark = (struct waiting_mark){{0}};
        CHECK_EQ(look_at(0, some, MAX), 1);
        CHECK(cut);
    }
    /* only what takes data has it */
    begin();
    request(FLUSH, 0, 1, 0, 0);
    request(4, 0, 2, 0, UINT32_MAX);
    request(6, 2, 3, 0, UINT32_MAX);
    request(BLOCK_STATUS, 8, 4, 0, 1 << 20);
    request(READ, 4, 5, 77, 1);
    CHECK_EQ(look_at(0, length, MAX), 1);
    CHECK_EQ(reads[0].offset, 77);
    /* a write of 4 GiB hides all that is behind it */
    begin();
    request(WRITE, 0, 1, 0, UINT32_MAX);
    request(READ, 0, 2, 0, 512);
    CHECK_EQ(look_at(0, length, MAX), 0);
    CHECK(cut);
}

static void not_understood(void)
{
    static const struct {
        unsigned type, flags;
    } bad[] = {{DISCONNECT, 0}, {8, 0}, {0xffff, 0}, {READ, 0x20}, {READ, 0x8000}};

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin();
        request(READ, 0, 1, 0, 512);
        request(bad[i].type, bad[i].flags, 2, 0, 512);
        request(READ, 0, 3, 0, 512);
        CHECK_EQ(look_at(0, length, MAX), 1);
        CHECK(!cut);
    }
    for (unsigned i = 0; i < 4; i++) { /* the magic of something else, TLS among others */
        begin();
        request(READ, 0, 1, 0, 512);
        stream[i] ^= 0x30;
        CHECK_EQ(look_at(0, length, MAX), 0);
        CHECK(!cut);
    }
}

static void odd_lengths(void)
{
    begin();
    request(READ, 0, 1, 0, 0);
    request(READ, 0, 2, 0, UINT32_MAX);
    request(READ, 0, 3, 0, WAITING_LENGTH_MAX + 1);
    request(READ, 0, 4, UINT64_MAX, WAITING_LENGTH_MAX);
    request(READ, 0, 5, 0, 1);
    CHECK_EQ(look_at(0, length, MAX), 2);
    CHECK(reads[0].offset == UINT64_MAX && reads[0].length == WAITING_LENGTH_MAX);
    CHECK(reads[1].offset == 0 && reads[1].length == 1);
    CHECK_EQ(look_at(0, length, MAX), 0);
}

static void at_most_so_many_bytes(void)
{
    const unsigned fit = WAITING_SUM_MAX / WAITING_LENGTH_MAX;

    begin();
    for (unsigned i = 0; i < fit + 5; i++)
        request(READ, 0, i, 0, WAITING_LENGTH_MAX);
    CHECK_EQ(look_at(0, length, MAX), fit);
    CHECK_EQ(look_at(0, length, MAX), 5); /* the rest the next time */
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"many reads", many_reads},
        {"once each", once_each},
        {"the same twice", the_same_twice},
        {"truncated", truncated},
        {"writes", writes},
        {"not understood", not_understood},
        {"odd lengths", odd_lengths},
        {"at most so many bytes", at_most_so_many_bytes},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
