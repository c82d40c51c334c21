#include <errno.h>
#include <fcntl.h>
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

enum { JOURNAL = 256 << 10 };

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_until_killed(void)
{
    for (;;)
        pause();
}

/* Another process that holds the store until it is killed. */
static pid_t hold(const char *dir, unsigned flags)
{
    int ready[2];
    char answer = 1;
    pid_t child;

    CHECK_EQ(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct io *io;

        signal(SIGTERM, SIG_DFL);
        answer = (char)(io_open(dir, flags, &io) != 0);
        if (write(ready[1], &answer, 1) == 1)
            pause_until_killed();
        _exit(1);
    }
    CHECK_EQ(read(ready[0], &answer, 1), 1);
    close(ready[0]);
    close(ready[1]);
    CHECK_EQ(answer, 0);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static const char *in(const char *dir, const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void refused(const char *dir, unsigned flags, pid_t holder)
{
    struct io *io = NULL;
    char wanted[32];
    double began = seconds();

    snprintf(wanted, sizeof(wanted), "process %ld (", (long)holder);
    CHECK_EQ(io_open(dir, flags, &io), -EBUSY);
    CHECK_HAS(varve_error(), wanted);
    CHECK(seconds() - began < 3);
    CHECK(io == NULL);
}

static void second_process(void)
{
    const char *dir = scratch_store(JOURNAL);
    pid_t child = hold(dir, 0);
    struct io *io = NULL;

    refused(dir, 0, child);
    refused(dir, IO_OPEN_DIRECT, child);
    refused(dir, IO_OPEN_READ_ONLY, child);
    end(child);
    CHECK_EQ(io_open(dir, 0, &io), 0);
    io_close(io);
}

static void lock_file_removed(void)
{
    const char *dir = scratch_store(JOURNAL);
    pid_t child = hold(dir, IO_OPEN_DIRECT);

    CHECK_EQ(unlink(in(dir, "lock")), 0);
    refused(dir, 0, child);
    CHECK_EQ(unlink(in(dir, "lock")), 0);
    refused(dir, 0, child);
    end(child);
}

static void stopped_process(void)
{
    const char *dir = scratch_store(JOURNAL);
    pid_t child = hold(dir, 0);

    kill(child, SIGSTOP);
    refused(dir, 0, child);
    end(child);
}

static void twice_in_one_process(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io = NULL;

    CHECK_EQ(io_open(dir, 0, &io), 0);
    refused(dir, 0, getpid());
    io_close(io);
}

static void readers(void)
{
    const char *dir = scratch_store(JOURNAL);
    pid_t child = hold(dir, IO_OPEN_READ_ONLY);
    struct io *io = NULL;

    CHECK_EQ(io_open(dir, IO_OPEN_READ_ONLY, &io), 0);
    io_close(io);
    refused(dir, 0, child);
    end(child);
    CHECK_EQ(io_open(dir, 0, &io), 0);
    io_close(io);
}

/* What a ring or an I/O in flight of a dead server is to the kernel: a reference to one of its
 * descriptions. Here the reference is a child that outlives the server and keeps only the one
 * descriptor. */
static void late_reference(enum io_slot slot)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io = NULL;
    int ready[2];
    char byte;
    int rc;
    pid_t child;
    double began;

    CHECK_EQ(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (io_open(dir, 0, &io) != 0)
            _exit(1);
        for (int other = 0; other < SLOTS; other++)
            if (other != (int)slot)
                close(io_files(io)->slot[other]);
        close(io_files(io)->lock);
        if (fork() != 0)
            _exit(0);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        _exit(0);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    waitpid(child, NULL, 0);
    began = seconds();
    /* one that still has the journal is seen to live and named after half a second, one that has
     * not is waited for */
    do
        rc = io_open(dir, 0, &io);
    while (rc == -EBUSY);
    CHECK_EQ(rc, 0);
    CHECK(seconds() - began > 0.8);
    io_close(io);
    close(ready[0]);
    close(ready[1]);
}

static void late_io_on_extents(void)
{
    late_reference(SLOT_EXTENTS);
}

static void late_io_past_the_cache(void)
{
    late_reference(SLOT_DIRECT);
}

static void late_io_on_journal(void)
{
    late_reference(SLOT_JOURNAL);
}

static void late_io_on_journal_past_the_cache(void)
{
    late_reference(SLOT_JOURNAL_DIRECT);
}

/* A server that is killed with writes in flight; the next one must get the store, and soon. */
static void killed_under_load(void)
{
    const char *dir = scratch_store(JOURNAL);
    enum { PIECES = 16, PIECE = 1 << 20 };
    struct io *io = NULL;

    for (int round = 0; round < 5; round++) {
        int ready[2];
        char byte;
        double began;
        pid_t child;

        CHECK_EQ(pipe(ready), 0);
        child = fork();
        if (child == 0) {
            struct io_request requests[PIECES];
            char *memory;

            if (io_open(dir, IO_OPEN_DIRECT, &io) != 0 ||
                io->ops->allocate(io, IO_EXTENTS, 0, PIECES * PIECE) != 0)
                _exit(1);
            memory = io->ops->memory_allocate(io, PIECE);
            for (unsigned i = 0; i < PIECES; i++)
                requests[i] = (struct io_request){.op = IO_WRITE,
                                                  .flags = IO_BULK,
                                                  .offset = (uint64_t)i * PIECE,
                                                  .length = PIECE,
                                                  .buffer = memory};
            while (io->ops->perform(io, requests, PIECES) == 0)
                if (write(ready[1], "x", 1) != 1)
                    break;
            _exit(1);
        }
        CHECK_EQ(read(ready[0], &byte, 1), 1);
        CHECK_EQ(kill(child, SIGKILL), 0);
        began = seconds(); /* not reaped: a supervisor may be slow */
        CHECK_EQ(io_open(dir, 0, &io), 0);
        CHECK(seconds() - began < 3);
        io_close(io);
        waitpid(child, NULL, 0);
        close(ready[0]);
        close(ready[1]);
    }
}

/* Closing lets go at once, although the kernel takes its time to tear down the rings. */
static void reopened_at_once(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io = NULL;
    double began = seconds();

    for (int round = 0; round < 20; round++) {
        struct io_request requests[2] = {0};

        CHECK_EQ(io_open(dir, 0, &io), 0);
        for (int i = 0; i < 2; i++)
            requests[i] = (struct io_request){.op = IO_READ,
                                              .file = IO_JOURNAL,
                                              .length = 4096,
                                              .buffer = io->ops->memory_allocate(io, 4096)};
        CHECK_EQ(io->ops->perform(io, requests, 2), 0);
        CHECK(strcmp(io_engine(io), "io_uring") == 0);
        io_close(io);
    }
    CHECK(seconds() - began < 2);
}

static void created_whole(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct stat file;
    int descriptor = open(in(dir, "journal"), O_RDWR);

    CHECK_EQ(fstat(descriptor, &file), 0);
    CHECK_EQ(file.st_size, JOURNAL);
    CHECK_EQ(file.st_mode & 0777, 0600);
    CHECK_EQ(lseek(descriptor, 0, SEEK_HOLE), JOURNAL);
    close(descriptor);
    CHECK_EQ(io_create(dir, NULL, JOURNAL), -EEXIST);
    CHECK_HAS(varve_error(), "/extents");
    CHECK_EQ(stat(in(dir, "journal"), &file), 0);
    io_remove(dir);
    CHECK_EQ(rmdir(dir), 0);
}

static void create_fails_without_a_trace(void)
{
    const char *dir = scratch_path("never");
    struct rlimit limit, small = {.rlim_cur = 64 << 10};
    struct io *io = NULL;

    CHECK_EQ(io_create(dir, "/dev/null", JOURNAL), -ENOTBLK);
    CHECK_HAS(varve_error(), "/dev/null is not a block device");
    CHECK_EQ(access(dir, F_OK), -1);
    CHECK_EQ(io_create(dir, "/dev/nowhere", JOURNAL), -ENOENT);
    CHECK_EQ(access(dir, F_OK), -1);

    signal(SIGXFSZ, SIG_IGN);
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    CHECK_EQ(io_create(dir, NULL, JOURNAL), -EFBIG);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_EQ(access(dir, F_OK), -1);

    CHECK_EQ(mkdir(dir, 0700),
             0); /* an empty directory is taken, and is still there and empty after a failure */
    CHECK_EQ(io_create(dir, "/dev/null", JOURNAL), -ENOTBLK);
    CHECK_EQ(io_open(dir, 0, &io), -ENOENT);
    CHECK_HAS(varve_error(), "is not a store");
    CHECK_EQ(rmdir(dir), 0);
    CHECK_EQ(io_open(dir, 0, &io), -ENOENT);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"second process", second_process},
        {"lock file removed", lock_file_removed},
        {"stopped process", stopped_process},
        {"twice in one process", twice_in_one_process},
        {"readers", readers},
        {"late I/O on extents", late_io_on_extents},
        {"late I/O past the cache", late_io_past_the_cache},
        {"late I/O on journal", late_io_on_journal},
        {"late I/O on journal past the cache", late_io_on_journal_past_the_cache},
        {"killed under load", killed_under_load},
        {"reopened at once", reopened_at_once},
        {"created whole", created_whole},
        {"create fails without a trace", create_fails_without_a_trace},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
