/* Loaded before a server (LD_PRELOAD) it gives the store ordinary memory of the process for its
 * stage, where it asks for memory that outlives the process: so tests/bench/server_death can
 * measure what the difference costs. Such a server loses answered writes when it is killed. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_stage(int descriptor)
{
    char link[64], path[512];
    ssize_t length;
    const char *name;

    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    name = strrchr(path, '/');
    return name && strncmp(name, "/varve-", strlen("/varve-")) == 0;
}

typedef void *(*map_function)(void *, size_t, int, int, int, off_t);

/* The name in the library is mmap64, here as in varve: off_t has 64 bits in both. */
__attribute__((visibility("default"))) void *mmap(void *address, size_t length, int protection,
                                                  int flags, int descriptor, off_t offset)
{
    void *symbol = dlsym(RTLD_NEXT, "mmap64");
    map_function original;

    memcpy(&original, &symbol, sizeof original);
    if ((flags & MAP_SHARED) && descriptor >= 0 && is_stage(descriptor)) {
        fprintf(stderr, "mortal memory: %zu bytes\n", length);
        return original(address, length, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    return original(address, length, protection, flags, descriptor, offset);
}
