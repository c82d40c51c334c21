#include "attach_mounts.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <varve/error.h>

#include "command.h"
#include "program.h"

enum { NUMBERS_MAX = 130, TARGETS_MAX = 256 };

/* A device and its partitions, as the kernel's tables number them. */
struct device_numbers {
    int count;
    dev_t numbers[NUMBERS_MAX];
    char folders[NUMBERS_MAX][NAME_MAX * 2 + 32]; /* in /sys/block */
};

static void add_number(struct device_numbers *numbers, const char *folder)
{
    char path[PATH_MAX];
    unsigned major, minor;
    FILE *file;

    snprintf(path, sizeof path, "%s/dev", folder);
    file = fopen(path, "re");
    if (!file) {
        return;
    }
    if (numbers->count < NUMBERS_MAX && fscanf(file, "%u:%u", &major, &minor) == 2) {
        snprintf(numbers->folders[numbers->count], sizeof numbers->folders[0], "%s", folder);
        numbers->numbers[numbers->count++] = makedev(major, minor);
    }
    fclose(file);
}

static void number_device(const char *device, struct device_numbers *numbers)
{
    const char *name = strrchr(device, '/') + 1;
    char folder[NAME_MAX + 16], partition[NAME_MAX * 2 + 32];
    struct dirent *entry;
    DIR *open;

    numbers->count = 0;
    snprintf(folder, sizeof folder, "/sys/block/%s", name);
    add_number(numbers, folder);
    open = opendir(folder);
    while (open && (entry = readdir(open))) {
        if (strncmp(entry->d_name, name, strlen(name)) == 0) {
            snprintf(partition, sizeof partition, "%s/%s", folder, entry->d_name);
            add_number(numbers, partition);
        }
    }
    if (open) {
        closedir(open);
    }
}

static bool has_number(const struct device_numbers *numbers, dev_t number)
{
    for (int i = 0; i < numbers->count; i++) {
        if (numbers->numbers[i] == number) {
            return true;
        }
    }
    return false;
}

/* Device mapper, RAID and bcache stand in the folder `holders`. */
static int refuse_holders(const struct device_numbers *numbers)
{
    for (int i = 0; i < numbers->count; i++) {
        char path[PATH_MAX];
        struct dirent *entry;
        DIR *open;

        snprintf(path, sizeof path, "%s/holders", numbers->folders[i]);
        open = opendir(path);
        while (open && (entry = readdir(open))) {
            if (entry->d_name[0] != '.') {
                int code = command_fail(EXIT_BUSY, "%s is used by /dev/%s: take that apart first",
                                        strrchr(numbers->folders[i], '/') + 1, entry->d_name);

                closedir(open);
                return code;
            }
        }
        if (open) {
            closedir(open);
        }
    }
    return EXIT_DONE;
}

static int refuse_swap(const struct device_numbers *numbers)
{
    char line[PATH_MAX], path[PATH_MAX];
    FILE *swaps = fopen("/proc/swaps", "re");
    int code = EXIT_DONE;

    while (swaps && code == EXIT_DONE && fgets(line, sizeof line, swaps)) {
        struct stat status;

        if (sscanf(line, "%4095s", path) == 1 && stat(path, &status) == 0 &&
            S_ISBLK(status.st_mode) && has_number(numbers, status.st_rdev)) {
            code = command_fail(EXIT_BUSY, "%s is in use as swap: `swapoff %s` first", path, path);
        }
    }
    if (swaps) {
        fclose(swaps);
    }
    return code;
}

/* In mountinfo a space, tab, newline or backslash of a path stands as its octal number. */
static void unescape(char *path)
{
    char *to = path;

    for (const char *from = path; *from; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3') {
            *to = (char)strtol((const char[]){from[1], from[2], from[3], '\0'}, NULL, 8);
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Calls for each mount of this namespace, in the order in which they were made; nonzero stops. */
typedef int (*mount_visit)(void *opaque, dev_t number, const char *target);

static int visit_mounts(mount_visit visit, void *opaque)
{
    FILE *table = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, target[PATH_MAX];
    size_t size = 0;
    unsigned major, minor;
    int stop = 0;

    while (table && !stop && getline(&line, &size, table) != -1) {
        if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, target) == 3) {
            unescape(target);
            stop = visit(opaque, makedev(major, minor), target);
        }
    }
    free(line);
    if (table) {
        fclose(table);
    }
    return stop;
}

struct targets {
    const struct device_numbers *numbers;
    int count;
    char *paths[TARGETS_MAX];
};

static int note_target(void *opaque, dev_t number, const char *target)
{
    struct targets *targets = opaque;

    if (has_number(targets->numbers, number) && targets->count < TARGETS_MAX) {
        targets->paths[targets->count] = strdup(target);
        targets->count += targets->paths[targets->count] != NULL;
    }
    return 0;
}

int attach_unmount_all(const char *device)
{
    static struct device_numbers numbers;
    struct targets targets = {.numbers = &numbers};
    int code;

    number_device(device, &numbers);
    if ((code = refuse_holders(&numbers)) != EXIT_DONE ||
        (code = refuse_swap(&numbers)) != EXIT_DONE) {
        return code;
    }
    visit_mounts(note_target, &targets);
    while (targets.count > 0) {
        char *path = targets.paths[--targets.count];
        const char *const umount[] = {"umount", path, NULL};

        if (code == EXIT_DONE && program_run(umount, NULL)) {
            code = command_fail(EXIT_BUSY, "'%s' cannot be unmounted: %s", path, varve_error());
        }
        free(path);
    }
    return code;
}

static int is_target(void *opaque, dev_t number, const char *target)
{
    (void)number;
    return strcmp(opaque, target) == 0;
}

bool attach_is_mountpoint(const char *path)
{
    char *copy = strdup(path);
    bool found = copy && visit_mounts(is_target, copy) != 0;

    free(copy);
    return found;
}
