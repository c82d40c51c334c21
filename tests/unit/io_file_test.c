#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "io/files.h"
#include "io/io_file.h"
#include "scratch.h"
#include "varve/error.h"

enum { BLOCK = 4096, JOURNAL = 1 << 20, BATCH = 200 };

static struct io *opened(unsigned flags)
{
    struct io *io = NULL;

    CHECK_EQ(io_open(scratch_store(JOURNAL), flags, &io), 0);
    return io;
}

static void fill(unsigned char *buffer, unsigned seed)
{
    for (unsigned i = 0; i < BLOCK; i++)
        buffer[i] = (unsigned char)(seed + i * (i >> 8) + seed * i);
}

/* Request i is block i of `memory`, at block i * 3 of the file. */
static void batch(struct io_request *requests, enum io_op op, unsigned flags, unsigned char *memory)
{
    for (size_t i = 0; i < BATCH; i++)
        requests[i] = (struct io_request){.op = op,
                                          .flags = flags,
                                          .offset = i * 3 * BLOCK,
                                          .length = BLOCK,
                                          .buffer = memory + i * BLOCK,
                                          .result = 1};
}

/* Writes a batch and reads it back, with those flags. */
static void round_trip(struct io *io, unsigned write_flags, unsigned read_flags, unsigned seed)
{
    struct io_request requests[BATCH];
    unsigned char *written = io->ops->memory_allocate(io, BATCH * BLOCK);
    unsigned char *back = io->ops->memory_allocate(io, BATCH * BLOCK);

    CHECK(written != NULL && back != NULL);
    for (unsigned i = 0; i < BATCH; i++)
        fill(written + i * BLOCK, seed + i);
    batch(requests, IO_WRITE, write_flags, written);
    CHECK_EQ(io->ops->perform(io, requests, BATCH), 0);
    batch(requests, IO_READ, read_flags, back);
    CHECK_EQ(io->ops->perform(io, requests, BATCH), 0);
    for (size_t i = 0; i < BATCH; i++)
        CHECK_EQ(requests[i].result, 0);
    CHECK(memcmp(written, back, BATCH * BLOCK) == 0);
    for (size_t i = 0; i < BATCH; i++) { /* and one at a time */
        requests[i].result = 1;
        CHECK_EQ(io->ops->perform(io, &requests[i], 1), 0);
    }
    CHECK(memcmp(written, back, BATCH * BLOCK) == 0);
    io->ops->memory_free(io, written, BATCH * BLOCK);
    io->ops->memory_free(io, back, BATCH * BLOCK);
}

static void every_kind_of_write(void)
{
    struct io *io = opened(IO_OPEN_DIRECT);

    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, (uint64_t)BATCH * 3 * BLOCK), 0);
    CHECK_HAS(io_engine(io), "not used yet");
    round_trip(io, 0, 0, 1);
    CHECK(strcmp(io_engine(io), "io_uring") == 0);
    round_trip(io, IO_BULK, 0, 2);
    round_trip(io, 0, IO_REREAD, 3);
    round_trip(io, IO_DURABLE, 0, 4);
    round_trip(io, IO_DURABLE | IO_BULK, IO_REREAD, 5);
    io_close(io);
}

static void writes_and_syncs_in_one_call(void)
{
    struct io *io = opened(0);
    unsigned char *block = io->ops->memory_allocate(io, BLOCK);
    struct io_request requests[] = {
        {.op = IO_WRITE, .file = IO_JOURNAL, .length = BLOCK, .buffer = block},
        {.op = IO_SYNC, .file = IO_EXTENTS},
        {.op = IO_READ, .file = IO_JOURNAL, .offset = BLOCK, .length = BLOCK, .buffer = block},
        {.op = IO_READ, .file = IO_JOURNAL, .offset = 2 * BLOCK, .length = BLOCK, .buffer = block},
        {.op = IO_SYNC, .file = IO_JOURNAL},
    };

    requests[1].length = 77; /* of a sync it means nothing */
    CHECK_EQ(io->ops->perform(io, requests, 5), 0);
    CHECK_EQ(io->ops->perform(io, requests, 0), 0);
    close(io_files(io)->slot[SLOT_EXTENTS]);
    io_files(io)->slot[SLOT_EXTENTS] = open("/proc/self/exe", O_PATH); /* what cannot be synced */
    requests[1].result = requests[4].result = 1;
    CHECK_EQ(io->ops->perform(io, &requests[1], 1), -EBADF);
    CHECK_HAS(varve_error(), "sync of ");
    io->ops->memory_free(io, block, BLOCK);
    io_close(io);
}

static void past_the_end(void)
{
    struct io *io = opened(0);
    unsigned char *memory = io->ops->memory_allocate(io, BATCH * BLOCK);
    struct io_request requests[BATCH];

    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, (uint64_t)10 * 3 * BLOCK), 0);
    batch(requests, IO_READ, 0, memory);
    CHECK_EQ(io->ops->perform(io, requests, BATCH), -EIO);
    CHECK_HAS(varve_error(), "read of 4096 bytes at offset 122880");
    CHECK_HAS(varve_error(), "/extents");
    for (size_t i = 0; i < BATCH; i++)
        CHECK_EQ(requests[i].result, i < 10 ? 0 : -EIO);
    CHECK_EQ(io->ops->perform(io, &requests[20], 1), -EIO);
    requests[9].length = 4 * BLOCK; /* it begins before the end */
    CHECK_EQ(io->ops->perform(io, &requests[9], 1), -EIO);
    CHECK_EQ(io->ops->perform(io, &requests[8], 2), -EIO);
    CHECK_EQ(requests[8].result, 0);
    io->ops->memory_free(io, memory, BATCH * BLOCK);
    io_close(io);
}

/* A read that would wait says so, without a message, and what was read ahead comes in time. */
static void without_waiting(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct io *io = opened(0);
    unsigned char *written = io->ops->memory_allocate(io, BATCH * BLOCK);
    unsigned char *back = io->ops->memory_allocate(io, BATCH * BLOCK);
    struct io_request requests[BATCH], sync = {.op = IO_SYNC, .file = IO_EXTENTS};
    int r = -EAGAIN;

    for (unsigned i = 0; i < BATCH; i++)
        fill(written + i * BLOCK, 7 * i);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, (uint64_t)BATCH * 3 * BLOCK), 0);
    batch(requests, IO_WRITE, 0, written);
    CHECK_EQ(io->ops->perform(io, requests, BATCH), 0);
    CHECK_EQ(io->ops->perform(io, &sync, 1), 0);
    for (size_t some = 1; some <= BATCH; some += BATCH - 1) { /* by system calls, by a ring */
        posix_fadvise(io_files(io)->slot[SLOT_EXTENTS], 0, 0, POSIX_FADV_DONTNEED);
        varve_error_clear();
        r = -EAGAIN;
        for (unsigned try = 0; try < 30000 && r == -EAGAIN; try++) {
            batch(requests, IO_READ, IO_NOWAIT, back);
            memset(back, 0, BATCH * BLOCK);
            r = io->ops->perform(io, requests, some);
            io->ops->read_ahead(io, requests, some);
            nanosleep(&pause, NULL);
        }
        CHECK_EQ(r, 0);
        CHECK(*varve_error() == '\0');
        CHECK(memcmp(back, written, some * BLOCK) == 0);
    }
    requests[0].offset = (uint64_t)BATCH * 3 * BLOCK; /* the end is no reason to wait */
    CHECK_EQ(io->ops->perform(io, requests, 1), -EIO);
    CHECK_EQ(io->ops->perform(io, requests, 2), -EIO);
    io->ops->memory_free(io, written, BATCH * BLOCK);
    io->ops->memory_free(io, back, BATCH * BLOCK);
    io_close(io);
}

static void without_a_ring(void)
{
    struct io *io = opened(IO_OPEN_DIRECT);
    struct rlimit limit, none = {.rlim_cur = 3};

    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, (uint64_t)BATCH * 3 * BLOCK), 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none.rlim_max = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    round_trip(io, IO_BULK, 0, 6);
    CHECK_HAS(io_engine(io), "synchronous calls");
    CHECK_HAS(io_engine(io), "Too many open files");
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    round_trip(io, IO_BULK, 0, 7);
    CHECK(strcmp(io_engine(io), "io_uring") == 0);
    io_close(io);
}

/* Nothing but a server's way of becoming a daemon: opened and used in the parent, used on in the
 * child. */
static void after_a_fork(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io = NULL;
    char named[16] = "", wanted[16];
    int status, lock;
    pid_t child;

    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, (uint64_t)BATCH * 3 * BLOCK), 0);
    round_trip(io, 0, 0, 8);
    child = fork();
    if (child == 0) {
        io_after_fork(io);
        round_trip(io, 0, 0, 9);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    lock = openat(AT_FDCWD, scratch_path(strrchr(dir, '/') + 1), O_RDONLY);
    CHECK(lock >= 0);
    snprintf(wanted, sizeof(wanted), "%ld\n", (long)child);
    CHECK_EQ(faccessat(lock, "lock", R_OK, 0), 0);
    status = openat(lock, "lock", O_RDONLY);
    CHECK(read(status, named, sizeof(named) - 1) > 0);
    CHECK(strcmp(named, wanted) == 0);
    close(status);
    close(lock);
    round_trip(io, 0, 0, 10); /* the parent's rings are as they were */
    io_close(io);
}

struct worker {
    pthread_t thread;
    struct io *io;
    unsigned number;
    int bad;
};

static void *work(void *opaque)
{
    struct worker *worker = opaque;
    struct io *io = worker->io;
    unsigned char *memory = io->ops->memory_allocate(io, 16 * BLOCK), wanted[BLOCK];
    struct io_request requests[16];

    for (unsigned round = 0; round < 40; round++) {
        for (unsigned op = 0; op < 2; op++) {
            for (size_t i = 0; i < 16; i++) {
                if (op == 0)
                    fill(memory + i * BLOCK, worker->number * 977 + round + (unsigned)i);
                requests[i] = (struct io_request){.op = op == 0 ? IO_WRITE : IO_READ,
                                                  .flags = round % 2 ? IO_BULK : 0,
                                                  .offset = (worker->number * 16 + i) * BLOCK,
                                                  .length = BLOCK,
                                                  .buffer = memory + i * BLOCK};
            }
            worker->bad |= io->ops->perform(io, requests, 16);
            if (op == 0)
                memset(memory, 0, 16 * BLOCK);
        }
        for (unsigned i = 0; i < 16; i++) {
            fill(wanted, worker->number * 977 + round + i);
            worker->bad |= memcmp(memory + i * BLOCK, wanted, BLOCK) != 0;
        }
    }
    io->ops->memory_free(io, memory, 16 * BLOCK);
    return NULL;
}

static void many_threads(void)
{
    enum { WORKERS = 40 }; /* more than there are rings */
    static struct worker workers[WORKERS];
    struct io *io = opened(IO_OPEN_DIRECT);

    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 0, (uint64_t)WORKERS * 16 * BLOCK), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.io = io, .number = i};
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(workers[i].bad, 0);
    io_close(io);
}

static void space(void)
{
    const char *dir = scratch_store(JOURNAL);
    char path[600];
    struct io *io = NULL;
    struct rlimit limit, small = {.rlim_cur = 8 << 20};
    struct stat before, after;

    snprintf(path, sizeof(path), "%s/extents", dir);
    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 0);
    CHECK_EQ(io->ops->size(io, IO_JOURNAL), JOURNAL);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 1 << 20, 1 << 20), 0);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 2 << 20);
    CHECK_EQ(stat(path, &before), 0);
    CHECK(before.st_blocks >= (1 << 20) / 512);
    CHECK_EQ(io->ops->discard(io, IO_EXTENTS, 1 << 20, 1 << 20), 0);
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 2 << 20);
    CHECK_EQ(stat(path, &after), 0);
    CHECK(after.st_blocks <= before.st_blocks - (1 << 20) / 512);

    signal(SIGXFSZ, SIG_IGN);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    CHECK_EQ(io->ops->allocate(io, IO_EXTENTS, 8 << 20, 1 << 20), -ENOSPC);
    CHECK_HAS(varve_error(), "cannot get 1048576 bytes at offset 8388608");
    CHECK_EQ(io->ops->size(io, IO_EXTENTS), 2 << 20);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    io_close(io);
}

static void memory(void)
{
    enum { PIECES = 300 };
    static const size_t lengths[] = {BLOCK, 1, 3 * BLOCK, 2 << 20, 1 << 20, 100000};
    struct io *io = opened(0);
    unsigned char *pieces[PIECES];

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            size_t length = lengths[i % 50 == 0 ? (i / 50) % 6 : 0];

            pieces[i] = io->ops->memory_allocate(io, length);
            CHECK(pieces[i] != NULL && (uintptr_t)pieces[i] % BLOCK == 0);
            for (size_t at = 0; at < length; at++)
                CHECK_EQ(pieces[i][at], 0);
            memset(pieces[i], 0xee, length);
        }
        for (size_t i = 0; i < PIECES; i++)
            io->ops->memory_free(io, pieces[i], lengths[i % 50 == 0 ? (i / 50) % 6 : 0]);
    }
    CHECK(io->ops->memory_allocate(io, SIZE_MAX) == NULL);
    io->ops->memory_free(io, NULL, 5);
    io_close(io);
}

static void time_and_chance(void)
{
    struct io *io = opened(0);
    uint64_t drawn[4] = {0}, before = io->ops->now(io);

    io->ops->random(io, drawn, sizeof(drawn));
    CHECK(drawn[0] != drawn[1] && drawn[2] != drawn[3]);
    CHECK(io->ops->now(io) > before);
    io_close(io);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"every kind of write", every_kind_of_write},
        {"writes and syncs in one call", writes_and_syncs_in_one_call},
        {"past the end", past_the_end},
        {"without waiting", without_waiting},
        {"without a ring", without_a_ring},
        {"after a fork", after_a_fork},
        {"many threads", many_threads},
        {"space", space},
        {"memory", memory},
        {"time and chance", time_and_chance},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
