#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "io/io_file.h"
#include "scratch.h"
#include "varve/error.h"

enum { JOURNAL = 256 << 10, LENGTH = 3 << 20 };

/* The file of the store's memory; "" when there is none. */
static const char *stage_file(void)
{
    static char path[600];
    DIR *list = opendir(scratch());
    struct dirent *entry;

    path[0] = '\0';
    while ((entry = readdir(list)) != NULL)
        if (strncmp(entry->d_name, "varve-", 6) == 0)
            snprintf(path, sizeof(path), "%s/%s", scratch(), entry->d_name);
    closedir(list);
    return path;
}

static unsigned char *mapped(const char *dir, unsigned flags, size_t length, int found,
                             struct io **ret_io)
{
    void *memory = NULL;
    size_t was_found = 7;

    CHECK_EQ(io_open(dir, flags, ret_io), 0);
    CHECK_EQ((*ret_io)->ops->stage_map(*ret_io, length, &memory, &was_found), 0);
    CHECK_EQ(was_found != 0, found);
    CHECK((uintptr_t)memory % 4096 == 0);
    return memory;
}

static int all_zero(const unsigned char *memory, size_t length)
{
    return memory[0] == 0 && memcmp(memory, memory + 1, length - 1) == 0;
}

static void outlives_the_process(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io;
    unsigned char *memory;
    struct stat file;
    int status;
    pid_t child = fork();

    if (child == 0) {
        memory = mapped(dir, 0, LENGTH, 0, &io);
        if (!all_zero(memory, LENGTH))
            _exit(1);
        memset(memory, 0x5a, LENGTH);
        raise(SIGKILL);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_EQ(stat(stage_file(), &file), 0);
    CHECK_EQ(file.st_mode & 0777, 0600);
    CHECK(file.st_blocks * 512 >= LENGTH); /* no page of it is still to be had */
    memory = mapped(dir, 0, LENGTH, 1, &io);
    CHECK(memory[0] == 0x5a && memcmp(memory, memory + 1, LENGTH - 1) == 0);
    io->ops->stage_remove(io);
    CHECK_EQ(memory[LENGTH - 1], 0x5a); /* the mapping stays */
    CHECK_EQ(stage_file()[0], 0);
    io->ops->stage_remove(io);
    io_close(io);
    memory = mapped(dir, 0, LENGTH, 0, &io);
    CHECK(all_zero(memory, LENGTH));
    io->ops->stage_remove(io);
    io_close(io);
}

static void one_for_each_store(void)
{
    const char *one = scratch_store(JOURNAL), *other = scratch_store(JOURNAL);
    struct io *first, *second;

    mapped(one, 0, LENGTH, 0, &first)[0] = 1;
    CHECK_EQ(mapped(other, 0, LENGTH, 0, &second)[0], 0);
    first->ops->stage_remove(first);
    second->ops->stage_remove(second);
    io_close(first);
    io_close(second);
}

static void another_length(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io;

    void *memory;
    size_t found;

    mapped(dir, 0, LENGTH, 0, &io)[0] = 1;
    io_close(io);
    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(io->ops->stage_map(io, LENGTH + 4096, &memory, &found), 0);
    CHECK_EQ(found, LENGTH);
    CHECK_EQ(*(unsigned char *)memory, 1);
    io->ops->stage_remove(io); /* of no use: a new one of the length that is wanted */
    CHECK_EQ(io->ops->stage_map(io, LENGTH + 4096, &memory, &found), 0);
    CHECK_EQ(found, 0);
    CHECK(all_zero(memory, LENGTH + 4096));
    io->ops->stage_remove(io);
    io_close(io);
}

/* What a power cut leaves of a file on disk is not what the memory was. */
static void another_boot(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io;
    char boot[37] = "";
    int descriptor;

    mapped(dir, 0, LENGTH, 0, &io)[0] = 1;
    io_close(io);
    descriptor = open(stage_file(), O_RDWR);
    CHECK_EQ(pread(descriptor, boot, 36, LENGTH + 80), 36);
    CHECK_EQ(boot[8], '-');
    CHECK_EQ(pwrite(descriptor, "00000000", 8, LENGTH + 80), 8);
    close(descriptor);
    CHECK_EQ(mapped(dir, 0, LENGTH, 0, &io)[0], 0);
    io->ops->stage_remove(io);
    io_close(io);
}

/* A reader finds the memory and changes nothing. */
static void read_only(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io;
    unsigned char *memory = mapped(dir, IO_OPEN_READ_ONLY, LENGTH, 0, &io);

    CHECK(all_zero(memory, LENGTH));
    memory[0] = 1;
    io_close(io);
    CHECK_EQ(stage_file()[0], 0);
    mapped(dir, 0, LENGTH, 0, &io)[0] = 2;
    io_close(io);
    memory = mapped(dir, IO_OPEN_READ_ONLY, LENGTH, 1, &io);
    CHECK_EQ(memory[0], 2);
    memory[0] = 3;
    io->ops->stage_remove(io);
    io_close(io);
    CHECK_EQ(mapped(dir, 0, LENGTH, 1, &io)[0], 2);
    io->ops->stage_remove(io);
    io_close(io);
}

/* Where everybody may write, somebody may have put something there before us. */
static void planted_files(void)
{
    const char *dir = scratch_store(JOURNAL);
    const char *victim = scratch_path("victim");
    char path[600];
    struct io *io;
    void *memory = NULL;
    size_t found = 7;
    int descriptor;

    mapped(dir, 0, LENGTH, 0, &io);
    snprintf(path, sizeof(path), "%s", stage_file());
    io_close(io);
    CHECK_EQ(rename(path, victim), 0);
    CHECK_EQ(symlink(victim, path), 0);
    CHECK_EQ(io_open(dir, 0, &io), 0);
    CHECK_EQ(io->ops->stage_map(io, LENGTH, &memory, &found), -EPERM);
    CHECK_HAS(varve_error(), "is not a private file");
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rename(victim, path), 0);
    CHECK_EQ(chmod(path, 0666), 0);
    CHECK_EQ(io->ops->stage_map(io, LENGTH, &memory, &found), -EPERM);
    CHECK_EQ(unlink(path), 0);
    descriptor = open(path, O_CREAT | O_WRONLY, 0600); /* ours, but nothing of worth */
    close(descriptor);
    CHECK_EQ(io->ops->stage_map(io, LENGTH, &memory, &found), 0);
    CHECK_EQ(found, 0);
    io->ops->stage_remove(io);
    io_close(io);
}

/* Memory that was made before the environment changed is found. */
static void moved_environment(void)
{
    const char *dir = scratch_store(JOURNAL);
    struct io *io;
    char path[600];

    CHECK_EQ(unsetenv("VARVE_STAGE_DIR"), 0);
    mapped(dir, 0, LENGTH, 0, &io)[5] = 6;
    CHECK_EQ(stage_file()[0], 0);
    io_close(io);
    CHECK_EQ(setenv("VARVE_STAGE_DIR", scratch(), 1), 0);
    CHECK_EQ(mapped(dir, 0, LENGTH, 1, &io)[5], 6);
    io->ops->stage_remove(io);
    io_close(io);
    CHECK_EQ(mapped(dir, 0, LENGTH, 0, &io)[5], 0);
    io->ops->stage_remove(io);
    io_close(io);
    snprintf(path, sizeof(path), "%s/nowhere", scratch());
    CHECK_EQ(setenv("VARVE_STAGE_DIR", path, 1), 0);
    CHECK_EQ(io_open(dir, 0, &io), 0);
    {
        void *memory;
        size_t found;

        CHECK_EQ(io->ops->stage_map(io, LENGTH, &memory, &found), -ENOENT);
        CHECK_HAS(varve_error(), path);
    }
    io_close(io);
    CHECK_EQ(setenv("VARVE_STAGE_DIR", scratch(), 1), 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"outlives the process", outlives_the_process},
        {"one for each store", one_for_each_store},
        {"another length", another_length},
        {"another boot", another_boot},
        {"read-only", read_only},
        {"planted files", planted_files},
        {"moved environment", moved_environment},
    };

    return check_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
