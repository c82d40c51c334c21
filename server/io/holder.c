#include "io/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The start of a small file of /proc or of the lock file, as a string; false when it cannot be
 * read. */
static bool read_start(int dir, const char *path, char *text, size_t size)
{
    int descriptor = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t length;

    if (descriptor < 0)
        return false;
    length = read(descriptor, text, size - 1);
    close(descriptor);
    text[length < 0 ? 0 : length] = '\0';
    return length >= 0;
}

pid_t holder_named(int dir)
{
    char text[32];
    long process;

    if (!read_start(dir, "lock", text, sizeof(text)))
        return 0;
    process = strtol(text, NULL, 10);
    return process > 0 && process <= INT32_MAX ? (pid_t)process : 0;
}

bool holder_name(int lock, bool nobody)
{
    char text[32] = "";
    int length = nobody ? 0 : snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    /* first the text, then the end: whoever reads in between finds a number */
    return pwrite(lock, text, (size_t)length, 0) == length && ftruncate(lock, length) == 0;
}

bool holder_lives(pid_t process)
{
    char path[32], text[256];
    const char *state;

    if (process <= 0 || (kill(process, 0) != 0 && errno == ESRCH))
        return false;
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)process);
    if (!read_start(AT_FDCWD, path, text, sizeof(text)))
        return true;
    /* "123 (name) S ...", and the name may hold anything */
    state = strrchr(text, ')');
    return state == NULL || strncmp(state, ") Z", 3) != 0;
}

/* True when descriptor `number` of the process, whose /proc directory is open as `dir`, has a lock.
 */
static bool has_lock(int dir, const char *number)
{
    char path[NAME_MAX + 16], text[4096];

    snprintf(path, sizeof(path), "fdinfo/%s", number);
    return read_start(dir, path, text, sizeof(text)) && strstr(text, "\nlock:") != NULL;
}

/* True when the process has the file open and locked, by another descriptor than `ours`. */
static bool holds(int process_dir, const struct stat *file, int ours)
{
    int fds = openat(process_dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fds < 0 ? NULL : fdopendir(fds);
    struct dirent *entry;
    struct stat open_file;
    bool found = false;

    if (list == NULL) {
        if (fds >= 0)
            close(fds);
        return false;
    }
    while (!found && (entry = readdir(list)) != NULL)
        found = isdigit((unsigned char)entry->d_name[0]) &&
                fstatat(fds, entry->d_name, &open_file, 0) == 0 &&
                strtol(entry->d_name, NULL, 10) != ours && open_file.st_dev == file->st_dev &&
                open_file.st_ino == file->st_ino && has_lock(process_dir, entry->d_name);
    closedir(list);
    return found;
}

pid_t holder_find(int descriptor)
{
    DIR *list = opendir("/proc");
    struct dirent *entry;
    struct stat file;
    pid_t process = 0, candidate;
    int dir;

    if (list == NULL)
        return 0;
    while (fstat(descriptor, &file) == 0 && process == 0 && (entry = readdir(list)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        dir = openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            continue;
        candidate = (pid_t)strtol(entry->d_name, NULL, 10);
        if (holds(dir, &file, candidate == getpid() ? descriptor : -1))
            process = candidate;
        close(dir);
    }
    closedir(list);
    return process;
}

void holder_describe(pid_t process, char *text, size_t size)
{
    char path[32], name[64] = "";

    if (process == 0) {
        snprintf(text, size, "a process that cannot be seen from here");
        return;
    }
    snprintf(path, sizeof(path), "/proc/%ld/comm", (long)process);
    if (read_start(AT_FDCWD, path, name, sizeof(name)))
        name[strcspn(name, "\n")] = '\0';
    if (name[0] != '\0')
        snprintf(text, size, "process %ld (%s)", (long)process, name);
    else
        snprintf(text, size, "process %ld", (long)process);
}
