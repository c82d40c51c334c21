/* The look into a connection's socket; what there is to find in it is tested in waiting_test.c. */
#include "lookahead.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "waiting.h"

enum { READ = 0, WRITE = 1, BLOCK = 4096, AHEAD_MAX = 1000 };

static int ends[2]; /* the client's, the server's */
static uint64_t cookie;
static struct varve_ahead ahead[AHEAD_MAX];
static unsigned ahead_count, hints;

int varve_export_read_nowait(struct varve_export *export, void *buffer, size_t length,
                             uint64_t offset)
{
    (void)export;
    (void)buffer;
    (void)length;
    (void)offset;
    return -EAGAIN;
}

int varve_export_read(struct varve_export *export, void *buffer, size_t length, uint64_t offset)
{
    (void)export;
    (void)buffer;
    (void)length;
    (void)offset;
    return 0;
}

void varve_export_read_ahead(struct varve_export *export, const struct varve_ahead *ranges,
                             unsigned count)
{
    (void)export;
    CHECK(ahead_count + count <= AHEAD_MAX);
    for (unsigned i = 0; i < count; i++)
        ahead[ahead_count++] = ranges[i];
    hints++;
}

static void put(uint8_t *to, unsigned count, uint64_t value)
{
    while (count-- > 0) {
        to[count] = (uint8_t)value;
        value >>= 8;
    }
}

static void send_all(const void *bytes, size_t length)
{
    CHECK_EQ(send(ends[0], bytes, length, 0), (ssize_t)length);
}

static void request(unsigned type, uint64_t offset, uint32_t length)
{
    uint8_t header[WAITING_HEADER];

    put(header, 4, 0x25609513);
    put(header + 4, 2, 0);
    put(header + 6, 2, type);
    put(header + 8, 8, ++cookie);
    put(header + 16, 8, offset);
    put(header + 24, 4, length);
    send_all(header, sizeof header);
    if (type == WRITE) {
        uint8_t *data = calloc(1, length);

        CHECK(data != NULL);
        send_all(data, length);
        free(data);
    }
}

static void reads(unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        request(READ, (uint64_t)i * BLOCK, BLOCK);
}

/* What nbdkit has taken out of the socket. */
static void take(size_t length)
{
    uint8_t *bytes = malloc(length);

    CHECK(bytes != NULL);
    CHECK_EQ(recv(ends[1], bytes, length, MSG_WAITALL), (ssize_t)length);
    free(bytes);
}

static void begin(void)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ahead_count = hints = 0;
    lookahead_begin(ends[1]);
}

static void end(void)
{
    close(ends[0]);
    close(ends[1]);
}

static void look(void)
{
    unsigned before = hints;
    char buffer[1];

    CHECK_EQ(lookahead_read(NULL, buffer, 1, 0), 0);
    CHECK_EQ(hints, before + 1);
}

static void are_in_a_row(unsigned count)
{
    CHECK_EQ(ahead_count, count);
    for (unsigned i = 0; i < count; i++) {
        CHECK(ahead[i].offset == (uint64_t)i * BLOCK);
        CHECK_EQ(ahead[i].length, BLOCK);
    }
}

static void each_read_is_told_once(void)
{
    begin();
    look(); /* nothing there */
    reads(0, 30);
    look();
    are_in_a_row(30);
    look();
    reads(30, 30);
    look();
    take(10 * WAITING_HEADER);
    look();
    are_in_a_row(60);
    end();
}

/* A write's data is longer than the first look: the second finds more than one hint has room for.
 */
static void many_reads_around_a_write(void)
{
    begin();
    reads(0, 60);
    request(WRITE, 0, 2 * BLOCK);
    reads(60, 100);
    look();
    CHECK(ahead_count >= 60);
    are_in_a_row(ahead_count);
    for (unsigned i = 0; i < 10; i++)
        look();
    are_in_a_row(160);
    end();
}

static void a_client_that_left(void)
{
    begin();
    reads(0, 3);
    close(ends[0]);
    look();
    are_in_a_row(3);
    take(3 * WAITING_HEADER);
    look();
    are_in_a_row(3);
    close(ends[1]);
    look();
    are_in_a_row(3);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"each read is told once", each_read_is_told_once},
        {"many reads around a write", many_reads_around_a_write},
        {"a client that left", a_client_that_left},
    };

    return check_main(argc, argv, cases, sizeof cases / sizeof cases[0]);
}
