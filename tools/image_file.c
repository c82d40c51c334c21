#include "image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

/* The head of a qcow2 file, big-endian (qemu: docs/interop/qcow2.rst). */
enum {
    HEAD_BYTES = 80,
    HEAD_VERSION = 4,
    HEAD_BACKING = 8, /* 8 bytes: where the backing file's name is, 0 without one */
    HEAD_SIZE = 24,
    HEAD_INCOMPATIBLE = 72, /* from version 3 on */
    EXTERNAL_DATA = 4,
    SECTOR = 512,
};

static uint64_t big_endian(const uint8_t *bytes, int count)
{
    uint64_t value = 0;

    for (int i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static bool is_qcow2(const uint8_t *head, ssize_t length)
{
    return length >= HEAD_VERSION && memcmp(head, "QFI\xfb", HEAD_VERSION) == 0;
}

static int look_at_qcow2(const char *named, const uint8_t *head, ssize_t length,
                         struct image_file *file)
{
    uint64_t version = length >= HEAD_BYTES ? big_endian(head + HEAD_VERSION, 4) : 0;

    if (!is_qcow2(head, length) || (version != 2 && version != 3)) {
        return command_fail(EXIT_USAGE, "'%s' is no qcow2 image of version 2 or 3", named);
    }
    file->bytes = big_endian(head + HEAD_SIZE, 8);
    file->others = big_endian(head + HEAD_BACKING, 8) != 0 ||
                   (version == 3 && (big_endian(head + HEAD_INCOMPATIBLE, 8) & EXTERNAL_DATA) != 0);
    return EXIT_DONE;
}

static void keep_state(int fd, const struct stat *status, struct image_file *file)
{
    file->length = lseek(fd, 0, SEEK_END);
    file->modified = S_ISREG(status->st_mode) ? status->st_mtim : (struct timespec){0};
}

static int look(int fd, const char *named, const char *format, struct image_file *file)
{
    uint8_t head[HEAD_BYTES] = {0};
    struct stat status = {0};
    ssize_t length = pread(fd, head, sizeof head, 0);
    int code = EXIT_DONE;

    if (fstat(fd, &status) == 0) {
        keep_state(fd, &status, file);
    }
    if (length == -1 || file->length == -1 ||
        !(S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))) {
        return command_fail(EXIT_USAGE, "'%s' is neither a file nor a disk that can be read",
                            named);
    }
    if (format) {
        code = image_format_parse(format, &file->format);
    } else {
        file->format = is_qcow2(head, length) ? IMAGE_QCOW2 : IMAGE_RAW;
    }
    if (code == EXIT_DONE && file->format == IMAGE_QCOW2) {
        code = look_at_qcow2(named, head, length, file);
    } else if (code == EXIT_DONE) {
        file->bytes = ((uint64_t)file->length + SECTOR - 1) / SECTOR * SECTOR;
    }
    if (code == EXIT_DONE && file->bytes == 0) {
        return command_fail(EXIT_USAGE, "'%s' is empty", named);
    }
    return code;
}

int image_file_look(const char *named, const char *format, struct image_file *ret_file)
{
    int fd, code;

    *ret_file = (struct image_file){.format = IMAGE_RAW};
    fd = realpath(named, ret_file->path) ? open(ret_file->path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd == -1) {
        return command_fail(exit_code_of(-errno), "cannot read '%s': %s", named, strerror(errno));
    }
    code = look(fd, named, format, ret_file);
    close(fd);
    return code;
}

int image_file_is_unchanged(const char *named, const struct image_file *file)
{
    struct image_file now = {.length = -1};
    struct stat status;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);

    if (fd != -1 && fstat(fd, &status) == 0) {
        keep_state(fd, &status, &now);
    }
    if (fd != -1) {
        close(fd);
    }
    if (now.length == file->length && now.modified.tv_sec == file->modified.tv_sec &&
        now.modified.tv_nsec == file->modified.tv_nsec) {
        return EXIT_DONE;
    }
    return command_fail(
        EXIT_BUSY, "'%s' changed while it was read; import it when nothing writes to it", named);
}
