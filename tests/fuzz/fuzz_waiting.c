/*
 * Requests that wait in a connection: each read is told once, and what was told, written again as
 * requests, is told again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "waiting.h"

enum { MAX = 64 };

static void store_big_endian(uint8_t *to, unsigned count, uint64_t value)
{
    while (count-- > 0) {
        to[count] = (uint8_t)value;
        value >>= 8;
    }
}

static void tell_again(const struct waiting_read *reads, unsigned count)
{
    uint8_t bytes[MAX * WAITING_HEADER] = {0};
    struct waiting_read again[MAX];
    struct waiting_mark mark = {{0}};
    bool cut;

    for (unsigned i = 0; i < count; i++) {
        uint8_t *header = bytes + (size_t)i * WAITING_HEADER;

        store_big_endian(header, 4, 0x25609513);
        store_big_endian(header + 8, 8, i);
        store_big_endian(header + 16, 8, reads[i].offset);
        store_big_endian(header + 24, 4, reads[i].length);
    }
    assert(waiting_reads(bytes, (size_t)count * WAITING_HEADER, &mark, again, MAX, &cut) == count);
    for (unsigned i = 0; i < count; i++) {
        assert(again[i].offset == reads[i].offset && again[i].length == reads[i].length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1); /* so that sanitizers see a byte too many */
    struct waiting_mark mark = {{0}};
    struct waiting_read reads[MAX];
    uint64_t sum = 0;
    bool cut;

    assert(copy != NULL);
    if (length > 0) {
        memcpy(copy, bytes, length);
    }
    unsigned count = waiting_reads(copy, length, &mark, reads, MAX, &cut);

    assert(count <= MAX);
    for (unsigned i = 0; i < count; i++) {
        assert(reads[i].length > 0 && reads[i].length <= WAITING_LENGTH_MAX);
        sum += reads[i].length;
    }
    assert(sum < WAITING_SUM_MAX + WAITING_LENGTH_MAX);
    tell_again(reads, count);
    if (count < MAX && sum < WAITING_SUM_MAX) {
        assert(waiting_reads(copy, length, &mark, reads, MAX, &cut) == 0);
    }
    free(copy);
    return 0;
}
