#include "attach_mkfs.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <varve/error.h>

#include "command.h"
#include "program.h"

enum { TYPE_MAX = 20 };

/* How each is told not to ask, and not to mind that it gets a whole disk. */
static const struct {
    const char *type, *option;
} options[] = {
    {"ext2", "-Fq"}, {"ext3", "-Fq"}, {"ext4", "-Fq"}, {"xfs", "-fq"},  {"btrfs", "-fq"},
    {"f2fs", "-fq"}, {"vfat", "-I"},  {"fat", "-I"},   {"ntfs", "-FQ"}, {"swap", "-f"},
};

static void name_program(const char *type, char program[TYPE_MAX + 8])
{
    bool swap = strcmp(type, "swap") == 0;

    snprintf(program, TYPE_MAX + 8, "%s%.*s", swap ? "mkswap" : "mkfs.", swap ? 0 : TYPE_MAX, type);
}

int attach_check_mkfs(const char *type)
{
    char program[TYPE_MAX + 8];
    size_t length = strlen(type);

    if (length == 0 || length > TYPE_MAX ||
        strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789") != length) {
        return command_fail(EXIT_USAGE,
                            "--mkfs '%s' is not the name of a file system, such as ext4", type);
    }
    name_program(type, program);
    if (!program_exists(program)) {
        return command_fail(EXIT_FAILED, "--mkfs %s: %s is not installed", type, program);
    }
    return EXIT_DONE;
}

int attach_mkfs(const char *type, const char *device)
{
    char program[TYPE_MAX + 8];
    const char *arguments[] = {program, device, NULL, NULL};

    name_program(type, program);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(type, options[i].type) == 0) {
            arguments[1] = options[i].option;
            arguments[2] = device;
        }
    }
    return program_run(arguments, NULL) ? command_fail(EXIT_FAILED, "%s", varve_error())
                                        : EXIT_DONE;
}
